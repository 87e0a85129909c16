"""A PDF of fifty pages through read: are the pages in order, each told, failures named, and is memory bounded?

usage: many_pages.py TESSERA [--model DIR] [--pages N] [--keep FOLDER] [--max-growth MIB]

Every tenth page is empty, which read tells as a failure. Exit code 1 when a promise is broken.
"""

import json
import os
import sys

from long_check import arguments, check, check_memory, folder, run


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
    p = arguments()
    p.add_argument("--pages", type=int, default=50)
    p.add_argument("--max-growth", type=float, default=32, help="MiB")
    a = p.parse_args()
    with folder(a.keep) as kept:
        path = os.path.join(kept, "pages.pdf")
        make_pdf(path, a.pages)
        r = run([a.tessera, "read", "-m", a.model, path, "--json", "-n", "32", "--budget", "70"])
        print(f"        {a.pages} pages in {r.seconds:.0f} s, peak memory {max(r.mib, default=0):.0f} MiB", flush=True)
        with open(os.path.join(kept, "pages.json"), "w") as f:
            f.write(r.out)
        ok = check(r.code == 65, f"exit code {r.code}: some pages have failed")
        if not r.out.startswith("{"):
            sys.exit(r.err)
        ok &= check_pages(json.loads(r.out), r.err, a.pages)
        ok &= check_memory("read", r.mib, a.max_growth)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
