"""A PDF of fifty pages through read: are the pages in order, each told, failures named, and is memory bounded?

usage: many_pages.py TESSERA [--model DIR] [--pages N] [--keep FOLDER] [--max-growth MIB]

Every tenth page is empty, which read tells as a failure. Exit code 1 when a promise is broken.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from long_sound import check, watch  # noqa: E402


def make_pdf(path, n):
    """Page K says "Page K of N" in Helvetica, but for every tenth."""
    objects = ["<</Type/Catalog/Pages 2 0 R>>",
               f"<</Type/Pages/Count {n}/Kids[{' '.join(f'{4 + 2 * k} 0 R' for k in range(n))}]>>",
               "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    for k in range(n):
        text = "" if (k + 1) % 10 == 0 else f"BT /F 24 Tf 40 150 Td (Page {k + 1} of {n}) Tj ET"
        objects.append(f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents {5 + 2 * k} 0 R/Resources<</Font<</F 3 0 R>>>>>>")
        objects.append(f"<</Length {len(text)}>>stream\n{text}\nendstream")
    out, places = "%PDF-1.4\n", []
    for i, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{i} 0 obj {body} endobj\n"
    at = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n" + "".join(f"{p:010} 00000 n \n" for p in places)
    out += f"trailer <</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{at}\n%%EOF\n"
    with open(path, "w") as f:
        f.write(out)


def run(arguments):
    begin, sizes, stop = time.monotonic(), [], threading.Event()
    p = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    t = threading.Thread(target=watch, args=(p.pid, sizes, stop))
    t.start()
    out, err = p.communicate()
    stop.set()
    t.join()
    return p.returncode, out.decode(), err.decode(), [s / 2**20 for _, s in sizes], time.monotonic() - begin


def check_pages(v, err, n):
    pages, empty = v["pages"], [k for k in range(1, n + 1) if k % 10 == 0]
    ok = check([p["page"] for p in pages] == list(range(1, n + 1)), f"{len(pages)} of {n} pages, in order")
    layers = [p["layer"]["blocks"][0]["text"] for p in pages if p.get("layer")]
    ok &= check(layers == [f"Page {k} of {n}" for k in range(1, n + 1) if k not in empty], f"{len(layers)} text layers are of their pages")
    failed = [p["page"] for p in pages if "error" in p]
    ok &= check(failed == empty, f"pages that failed: {failed}")
    told = [k for k in empty if f"page {k}: is empty" in err]
    return ok & check(told == empty, f"{len(told)} of {len(empty)} failures are told on stderr")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("tessera")
    p.add_argument("--model", default=os.path.join(HERE, "..", "models", "nano"))
    p.add_argument("--pages", type=int, default=50)
    p.add_argument("--max-growth", type=float, default=32, help="MiB")
    p.add_argument("--keep", help="folder for the document and the result")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        folder = a.keep or tmp
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "pages.pdf")
        make_pdf(path, a.pages)
        code, out, err, sizes, took = run([a.tessera, "read", "-m", a.model, path, "--json", "-n", "32", "--budget", "70"])
        print(f"        {a.pages} pages in {took:.0f} s, peak memory {max(sizes, default=0):.0f} MiB", flush=True)
        with open(os.path.join(folder, "pages.json"), "w") as f:
            f.write(out)
        ok = check(code == 65, f"exit code {code}: some pages have failed")
        if not out.startswith("{"):
            sys.exit(err)
        ok &= check_pages(json.loads(out), err, a.pages)
        fifth = max(1, len(sizes) // 5)
        early, late = max(sizes[:fifth], default=0), max(sizes[fifth:], default=0)
        ok &= check(late <= early + a.max_growth, f"resident set {early:.0f} MiB in the first fifth, {late:.0f} MiB at most later")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
