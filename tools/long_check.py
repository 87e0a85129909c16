"""long_check.py: what the long checks of this folder share: their arguments, a folder for what they make, a program that is watched
while it runs, and one line for each promise."""

import argparse
import contextlib
import os
import subprocess
import tempfile
import threading
import time
from typing import NamedTuple

HERE = os.path.dirname(os.path.abspath(__file__))
LOOK_S = 0.2  # between two looks at the memory


def arguments():
    """A parser with what all of them take."""
    p = argparse.ArgumentParser()
    p.add_argument("tessera")
    p.add_argument("--model", default=os.path.join(HERE, "..", "models", "nano"))
    p.add_argument("--keep", help="folder for what is made and what is said of it")
    return p


@contextlib.contextmanager
def folder(keep):
    """The folder `keep`, or one that goes in the end."""
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.abspath(keep or tmp)
        os.makedirs(path, exist_ok=True)
        yield path


class Run(NamedTuple):
    code: int
    out: str
    err: str
    mib: list  # the resident set over time
    seconds: float


def _watch(pid, mib, stop):
    while not stop.is_set():
        try:
            with open(f"/proc/{pid}/status") as f:
                line = next((x for x in f if x.startswith("VmRSS")), None)
            if line:
                mib.append(int(line.split()[1]) / 1024)
        except OSError:
            return
        stop.wait(LOOK_S)


def run(command):
    begin, mib, stop = time.monotonic(), [], threading.Event()
    p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    t = threading.Thread(target=_watch, args=(p.pid, mib, stop))
    t.start()
    out, err = p.communicate()
    stop.set()
    t.join()
    return Run(p.returncode, out.decode(), err.decode(), mib, time.monotonic() - begin)


def check(ok, what):
    print(("ok      " if ok else "BROKEN  ") + what, flush=True)
    return ok


def check_memory(what, mib, growth):
    """After the first fifth, in which the model is read and the first pieces are asked about, it doesn't grow any more."""
    fifth = max(1, len(mib) // 5)
    early, late = max(mib[:fifth], default=0), max(mib[fifth:] or mib, default=0)
    return check(late <= early + growth, f"{what}: resident set {early:.0f} MiB in the first fifth, {late:.0f} MiB at most later")
