"""A film of hours through `caption --chapters` and `ask`: is every window accounted for, and is memory bounded?

usage: long_film.py TESSERA [--model DIR] [--seconds N] [--keep FOLDER] [--frames auto] [--max-growth MIB]

Needs ffmpeg, which makes the film: a scene of another color every 37 seconds, with a moving square. Exit code 1 when a promise is
broken.
"""

import json
import os
import subprocess
import sys

from long_check import arguments, check, check_memory, folder, run

SCENE = 37  # seconds


def make_film(path, seconds):
    color = "lum='16+32*mod(floor(T/%d),7)+140*between(mod(X-8*T,96),0,12)*between(Y,20,36)':cb='64+128*mod(floor(T/%d),2)':cr=128"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i",
                    f"color=black:s=96x64:r=2:d={seconds},geq={color % (SCENE, SCENE)},format=yuv420p", "-c:v", "libx264",
                    "-preset", "ultrafast", "-g", "20", path], check=True)


def check_windows(what, plan, windows, seconds):
    ends = [(w["from"], w["to"]) for w in windows]
    touch = all(a[1] == b[0] for a, b in zip(ends, ends[1:]))
    ok = check(len(windows) == plan["windows"], f"{what}: {len(windows)} of {plan['windows']} windows")
    ok &= check(bool(ends) and ends[0][0] == 0 and touch and abs(ends[-1][1] - seconds) < 1,
                f"{what}: windows touch and cover {ends[-1][1] if ends else 0:.1f} of {seconds} s")
    return ok & check(all("error" not in w for w in windows), f"{what}: none has failed")


def main():
    p = arguments()
    p.add_argument("--seconds", type=int, default=7200)
    p.add_argument("--frames", choices=["auto"])
    p.add_argument("--max-growth", type=float, default=48, help="MiB")
    a = p.parse_args()
    with folder(a.keep) as kept:
        film = os.path.join(kept, "long.mp4")
        make_film(film, a.seconds)
        common = ["-m", a.model, film, "--json", "--quiet", "--temperature", "0", *(["--frames", a.frames] if a.frames else [])]
        ok = True
        for what, verb in (("caption --chapters", ["caption", "--chapters", *common]),
                           ("ask", ["ask", *common, "-n", "64", "What moves?"])):
            r = run([a.tessera, *verb])
            print(f"        {what}: {a.seconds} s of film in {r.seconds:.0f} s, peak memory {max(r.mib, default=0):.0f} MiB", flush=True)
            with open(os.path.join(kept, what.split()[0] + ".json"), "w") as f:
                f.write(r.out)
            if not check(r.code == 0 and r.out.startswith("{"), f"{what}: exit code {r.code} {r.err}".rstrip()):
                ok = False
                continue
            v = json.loads(r.out)
            v = v if "windows" in v else v["film"]
            if v["plan"]["mode"] == "whole":
                ok &= check(v["plan"]["frames"] > 0, f"{what}: whole, {v['plan']['frames']} frames")
                continue
            ok &= check_windows(what, v["plan"], v["windows"], a.seconds)
            ok &= check_memory(what, r.mib, a.max_growth)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
