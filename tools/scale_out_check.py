"""The examples of docs/scale-out.md that can be run on one machine, as they stand there, and --shard auto under the variables of
the schedulers: are all lines answered once, and as by one process?

usage: scale_out_check.py TESSERA [--model DIR] [--lines N]

What is not installed (GNU parallel, the Python package ray) is skipped by name. Exit code 1 when answers differ.
"""

import argparse
import glob
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..")


def example(name):
    with open(os.path.join(ROOT, "docs", "scale-out.md")) as f:
        found = re.search(r"<!-- make scale-out-check runs this: %s -->\n```\w+\n(.*?)\n```" % name, f.read(), re.S)
    assert found, f"docs/scale-out.md has no example for {name}"
    return found.group(1) + "\n"


def answers(paths):
    lines = []
    for path in paths:
        with open(path) as f:
            lines += [json.loads(line) for line in f]
    return sorted(lines, key=lambda line: line["id"])


def make_folder(tessera, model, n):
    folder = tempfile.mkdtemp(prefix="tessera-scale-out-")
    os.mkdir(os.path.join(folder, "bin"))
    os.symlink(os.path.abspath(tessera), os.path.join(folder, "bin", "tessera"))
    os.symlink(os.path.abspath(model), os.path.join(folder, "MODEL"))
    with open(os.path.join(folder, "manifest.jsonl"), "w") as f:
        for i in range(n):
            line = {"id": i, "prompt": f"What is line {i}?", "max_tokens": 4, "temperature": 0}
            if i % 3 == 0:
                line["image"] = os.path.join(os.path.abspath(ROOT), "samples", "scene.png")
            f.write(json.dumps(line) + "\n")
    return folder


class Check:
    def __init__(self, folder):
        self.folder, self.failed = folder, 0
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "OMPI_", "PMI_", "JOB_COMPLETION", "AWS_BATCH"))}
        self.env["PATH"] = os.path.join(folder, "bin") + os.pathsep + self.env["PATH"]

    def run(self, command, **extra):
        p = subprocess.run(command, cwd=self.folder, env=dict(self.env, **extra), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if p.returncode:
            print(p.stdout.decode()[-2000:], p.stderr.decode()[-2000:], sep="\n")
        return p.returncode

    def tell(self, what, code, want):
        paths = glob.glob(os.path.join(self.folder, "answers.*-of-*.jsonl"))
        same = code == 0 and answers(paths) == want
        self.failed += not same
        print(f"{'ok     ' if same else 'BROKEN '} {what}: {len(answers(paths))} of {len(want)} answers in {len(paths)} files", flush=True)
        for path in paths:
            os.remove(path)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("tessera")
    p.add_argument("--model", default=os.path.join(ROOT, "models", "nano"))
    p.add_argument("--lines", type=int, default=18)
    a = p.parse_args()
    c = Check(make_folder(a.tessera, a.model, a.lines))
    batch = ["tessera", "batch", "-m", "MODEL", "manifest.jsonl", "--threads", "1", "-o"]
    if c.run(batch + ["whole.jsonl"]):
        sys.exit("one process alone failed")
    want = answers([os.path.join(c.folder, "whole.jsonl")])
    assert len(want) == a.lines

    if shutil.which("parallel"):
        c.tell("GNU parallel", c.run(["sh", "-ec", example("parallel")]), want)
        assert answers([os.path.join(c.folder, "all.jsonl")]) == want or c.failed
    else:
        print("skipped GNU parallel: no program of that name")

    if importlib.util.find_spec("ray"):
        with open(os.path.join(c.folder, "ray_example.py"), "w") as f:
            f.write(example("ray"))
        c.tell("Ray", c.run([sys.executable, "ray_example.py"]), want)
    else:
        print(f"skipped Ray: {sys.executable} has no package of that name")

    schedulers = [
        ("Slurm, array", lambda i: {"SLURM_ARRAY_TASK_ID": str(i + 1), "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "3",
                                    "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}),
        ("Slurm, tasks", lambda i: {"SLURM_PROCID": str(i), "SLURM_NTASKS": "3", "SLURM_STEP_ID": "0"}),
        ("Open MPI", lambda i: {"OMPI_COMM_WORLD_RANK": str(i), "OMPI_COMM_WORLD_SIZE": "3"}),
        ("Kubernetes", lambda i: {"JOB_COMPLETION_INDEX": str(i), "JOB_COMPLETIONS": "3"}),
        ("AWS Batch", lambda i: {"AWS_BATCH_JOB_ARRAY_INDEX": str(i), "AWS_BATCH_JOB_ARRAY_SIZE": "3"}),
    ]
    for name, variables in schedulers:
        codes = [c.run(batch + ["answers.{shard}.jsonl", "--shard", "auto"], **variables(i)) for i in range(3)]
        c.tell(f"--shard auto, {name}", max(codes), want)
    shutil.rmtree(c.folder)
    return 1 if c.failed else 0


if __name__ == "__main__":
    sys.exit(main())
