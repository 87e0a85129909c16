"""common.py: running and timing programs, medians and spreads, CSV with the facts of the machine. Python 3.9 without
packages."""
import csv
import json
import os
import shlex
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TESSERA = os.environ.get("TESSERA", os.path.join(ROOT, "build/release/tessera"))
# A command put before each one that is timed, such as one that quietens the machine.
WRAP = shlex.split(os.environ.get("BENCH_WRAP", ""))
# A run is done again, this often, where other programs took more than this share of the CPUs' time meanwhile.
TRIES, FOREIGN_SHARE = int(os.environ.get("BENCH_TRIES", "3")), 0.05


def cpus():
    """CPUs that may be used, a cgroup's quota respected as tessera does."""
    n = len(os.sched_getaffinity(0))
    try:
        quota, period = open("/sys/fs/cgroup/cpu.max").read().split()
        if quota != "max":
            n = min(n, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return n


def machine_facts():
    model, flags = "unknown", ""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
            if line.startswith("flags"):
                flags = line
    wanted = ["avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8"]
    with open("/proc/meminfo", encoding="utf-8") as f:
        gb = int(f.readline().split()[1]) / 1e6
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True,
                            check=False).stdout.strip()
    return {"cpu": model, "features": "+".join(w for w in wanted if f" {w}" in flags), "cpus": cpus(),
            "memory_gb": round(gb), "linux": os.uname().release, "commit": commit or "unknown",
            "day": time.strftime("%Y-%m-%d")}


def busy_seconds():
    """CPU time that all programs of this machine have had, and the time stolen from it."""
    with open("/proc/stat", encoding="utf-8") as f:
        user, nice, system, _idle, _wait, irq, soft, steal = map(int, f.readline().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def settle(share=0.01, most_s=20.0):
    """Wait until the CPUs have been idle for a second: what a large process leaves behind is tidied up for seconds after its end."""
    end = time.monotonic() + most_s
    while time.monotonic() < end:
        busy = busy_seconds()
        time.sleep(1.0)
        if busy_seconds() - busy <= share * os.cpu_count():
            return


class Failed(Exception):
    pass


def timed(command):
    """Run to the end: exit code, streams, seconds, and the share of the CPUs' time that others took."""
    busy, began, before = busy_seconds(), time.monotonic(), os.times()
    p = subprocess.run(command, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - began, os.times()
    own = after.children_user - before.children_user + after.children_system - before.children_system
    foreign = max(0.0, busy_seconds() - busy - own) / max(wall * os.cpu_count(), 1e-9)
    return {"code": p.returncode, "stdout": p.stdout, "stderr": p.stderr, "wall_s": wall, "cpu_s": own,
            "foreign": foreign}


def run(command):
    """timed(), behind WRAP where that is set: in a process of its own, so that WRAP's waiting doesn't count."""
    if WRAP:
        whole = [*WRAP, sys.executable, os.path.abspath(__file__), *command]
        r = json.loads(subprocess.run(whole, stdout=subprocess.PIPE, text=True, check=True).stdout)
    else:
        r = timed(command)
    if r["code"] != 0:
        raise Failed(f"{' '.join(command)[:300]}: exit {r['code']}\n{r['stderr'][-2000:]}")
    return r


def run_undisturbed(command):
    """The least disturbed of up to TRIES runs."""
    best = None
    for _ in range(TRIES):
        r = run(command)
        if best is None or r["foreign"] < best["foreign"]:
            best = r
        if best["foreign"] <= FOREIGN_SHARE:
            break
    return best


def peak(command):
    """(own, touched) in MB at most while `command` runs: memory of its own, and resident in all."""
    own = touched = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
        while p.poll() is None:
            try:
                with open(f"/proc/{p.pid}/status", encoding="utf-8") as f:
                    kb = {k: int(v.split()[0]) for k, v in (x.split(":", 1) for x in f) if k.startswith("Rss")}
                own = max(own, kb.get("RssAnon", 0))
                touched = max(touched, sum(kb.values()))
            except (OSError, ValueError, IndexError):
                pass
            time.sleep(0.02)
    return own * 1.024e-3, touched * 1.024e-3  # /proc counts by 1,024 bytes


def read_through(path):
    """The whole file, and nothing of it is kept."""
    with open(path, "rb", buffering=0) as f:
        while f.read(1 << 24):
            pass


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}


def limits():
    """The machine's own limits (bench/machine): {"read": GB/s, "f32": GFLOP/s, "bf16": ..., "int8": GOP/s}."""
    program = os.environ.get("MACHINE", os.path.join(ROOT, "build/release/bench/machine"))
    out = run_undisturbed([program])["stdout"].splitlines()
    return {r["what"]: float(r["median"]) for r in csv.DictReader(out)}


def write_csv(path, rows):
    names = list(dict.fromkeys(k for r in rows for k in r))
    with (open(path, "w", newline="", encoding="utf-8") if path else sys.stdout) as f:
        w = csv.DictWriter(f, names, restval="")
        w.writeheader()
        w.writerows(rows)


def tessera(args):
    """The result of `tessera run ARGS --json` and how it ran."""
    r = run_undisturbed([TESSERA, "run", *args, "--json", "--quiet"])
    return json.loads(r["stdout"]), r


def words(n):
    """A text of n tokens of the made-up vocabulary, counted without BOS: each word of three letters is one."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    at = (1 + (i * 7919) % 17576 for i in range(n))
    return "".join(" " + letters[k // 676 % 26] + letters[k // 26 % 26] + letters[k % 26] for k in at)


if __name__ == "__main__":
    json.dump(timed(sys.argv[1:]), sys.stdout)
