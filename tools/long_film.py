"""A film of hours through `caption --chapters` and `ask`: is every window accounted for, and is memory bounded?

usage: long_film.py TESSERA [--model DIR] [--seconds N] [--keep FOLDER] [--frames auto] [--max-growth MIB]

Needs ffmpeg, which makes the film: a scene of another color every 37 seconds, with a moving square. Exit code 1 when a promise is
broken.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from long_sound import check, watch  # noqa: E402
import threading  # noqa: E402

SCENE = 37  # seconds


def make_film(path, seconds):
    color = "lum='16+32*mod(floor(T/%d),7)+140*between(mod(X-8*T,96),0,12)*between(Y,20,36)':cb='64+128*mod(floor(T/%d),2)':cr=128"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i",
                    f"color=black:s=96x64:r=2:d={seconds},geq={color % (SCENE, SCENE)},format=yuv420p", "-c:v", "libx264",
                    "-preset", "ultrafast", "-g", "20", path], check=True)


def run(arguments):
    """Exit code, standard output, peak of the resident set in MiB, its course, seconds."""
    begin, sizes, stop = time.monotonic(), [], threading.Event()
    p = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    t = threading.Thread(target=watch, args=(p.pid, sizes, stop))
    t.start()
    out = p.communicate()[0].decode()
    stop.set()
    t.join()
    sizes = [s / 2**20 for _, s in sizes]
    return p.returncode, out, max(sizes, default=0), sizes, time.monotonic() - begin


def check_memory(what, sizes, growth):
    """After the first fifth, in which the model is read and the first windows are asked, it doesn't grow any more."""
    fifth = max(1, len(sizes) // 5)
    early, late = max(sizes[:fifth]), max(sizes[fifth:] or sizes)
    return check(late <= early + growth, f"{what}: resident set {early:.0f} MiB in the first fifth, {late:.0f} MiB at most later")


def check_windows(what, plan, windows, seconds):
    ends = [(w["from"], w["to"]) for w in windows]
    touch = all(a[1] == b[0] for a, b in zip(ends, ends[1:]))
    ok = check(len(windows) == plan["windows"], f"{what}: {len(windows)} of {plan['windows']} windows")
    ok &= check(bool(ends) and ends[0][0] == 0 and touch and abs(ends[-1][1] - seconds) < 1,
                f"{what}: windows touch and cover {ends[-1][1] if ends else 0:.1f} of {seconds} s")
    return ok & check(all("error" not in w for w in windows), f"{what}: none has failed")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("tessera")
    p.add_argument("--model", default=os.path.join(HERE, "..", "models", "nano"))
    p.add_argument("--seconds", type=int, default=7200)
    p.add_argument("--frames", choices=["auto"])
    p.add_argument("--max-growth", type=float, default=48, help="MiB")
    p.add_argument("--keep", help="folder for the film and what was said")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        folder = a.keep or tmp
        os.makedirs(folder, exist_ok=True)
        film = os.path.join(folder, "long.mp4")
        make_film(film, a.seconds)
        common = ["-m", a.model, film, "--json", "--quiet", "--temperature", "0", *(["--frames", a.frames] if a.frames else [])]
        ok = True
        for what, arguments in (("caption --chapters", ["caption", "--chapters", *common]),
                                ("ask", ["ask", *common, "-n", "64", "What moves?"])):
            code, out, peak, sizes, took = run([a.tessera, *arguments])
            print(f"        {what}: {a.seconds} s of film in {took:.0f} s, peak memory {peak:.0f} MiB", flush=True)
            with open(os.path.join(folder, what.split()[0] + ".json"), "w") as f:
                f.write(out)
            if not check(code == 0 and out.startswith("{"), f"{what}: exit code {code}"):
                ok = False
                continue
            v = json.loads(out)
            v = v if "windows" in v else v["film"]
            if v["plan"]["mode"] == "whole":
                ok &= check(v["plan"]["frames"] > 0, f"{what}: whole, {v['plan']['frames']} frames")
                continue
            ok &= check_windows(what, v["plan"], v["windows"], a.seconds)
            ok &= check_memory(what, sizes, a.max_growth)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
