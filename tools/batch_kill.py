"""Kill -9 at random moments of a batch: is every id answered exactly once, and as in a run that nobody disturbed?

usage: batch_kill.py TESSERA [--model DIR] [--kills N] [--lines N] [--seed N] [--keep FOLDER]

Whenever a batch gets to its end it is checked and begun anew, until N kills have been dealt. After every fourth kill the last
line is torn by hand too, since a kill hardly ever meets a write. Exit code 1 when a promise is broken.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time

from long_check import HERE, arguments, folder

SAMPLES = os.path.join(HERE, "..", "samples")
DONE_WITH_FAILURES = 65
LONGEST_S = 3  # before a kill


def make_manifest(path, n):
    """Both forms, pictures, sound and text, and lines that fail."""
    kinds = ["picture", "text", "openai", "sound", "bad"]
    with open(path, "w") as f:
        for i in range(n):
            kind = kinds[i % len(kinds)]
            line = {"id": f"id-{i}", "prompt": f"What is line {i}?", "max_tokens": 1 + i % 7}
            if kind == "picture":
                line["image"] = os.path.join(SAMPLES, "scene.png")
            elif kind == "sound":
                line["audio"] = os.path.join(SAMPLES, "numbers.wav")
            elif kind == "bad":
                line["image"] = "gone.png"
            elif kind == "openai":
                body = {"messages": [{"role": "user", "content": line["prompt"]}], "max_tokens": 5, "temperature": 0}
                line = {"custom_id": line["id"], "method": "POST", "url": "/v1/chat/completions", "body": body}
            f.write(json.dumps(line) + "\n")


def answers(path):
    """The answers in their order, without what may differ between two runs: the time at which they were made."""
    with open(path, "rb") as f:
        data = f.read()
    assert data.endswith(b"\n"), "the last line is torn"
    lines = [json.loads(line) for line in data.splitlines()]
    for line in lines:
        body = (line.get("response") or {}).get("body", {})
        body.pop("created", None)
    return lines


def tear(path, rng):
    """Cut some bytes off the last line, as a write that was not finished leaves it."""
    with open(path, "rb+") as f:
        data = f.read()
        last = data.rstrip(b"\n").rfind(b"\n") + 1
        if len(data) > last:
            f.truncate(rng.randrange(last, len(data)))
            return True
    return False


def main():
    p = arguments()
    p.add_argument("--kills", type=int, default=200)
    p.add_argument("--lines", type=int, default=30)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    rng = random.Random(a.seed)
    with folder(a.keep) as kept:
        kill_batches(a, rng, *(os.path.join(kept, n) for n in ("manifest.jsonl", "calm.jsonl", "out.jsonl")))


def kill_batches(a, rng, manifest, calm, out):
    make_manifest(manifest, a.lines)
    command = [a.tessera, "batch", "-m", a.model, manifest, "--quiet", "--temperature", "0", "--threads", "1", "-o"]

    began = time.monotonic()
    rc = subprocess.run(command + [calm, "--restart"], stderr=subprocess.DEVNULL).returncode
    whole = time.monotonic() - began
    assert rc == DONE_WITH_FAILURES, f"the undisturbed run ended with {rc}"
    want = answers(calm)
    assert len(want) == a.lines, f"the undisturbed run has {len(want)} answers to {a.lines} lines"
    print(f"undisturbed: {a.lines} lines in {whole:.1f} s, "
          f"{sum(1 for w in want if w.get('error'))} of them fail as they should", flush=True)

    kills = torn = batches = starts = 0
    if os.path.exists(out):
        os.remove(out)
    while kills < a.kills:
        starts += 1
        run = subprocess.Popen(command + [out], stderr=subprocess.PIPE)
        try:
            _, told = run.communicate(timeout=rng.uniform(0, min(whole, LONGEST_S)))
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.communicate()
            kills += 1
            if kills % 4 == 0 and os.path.exists(out) and tear(out, rng):
                torn += 1
            continue
        if run.returncode != DONE_WITH_FAILURES:
            sys.exit(f"after {kills} kills: exit code {run.returncode}: {told.decode(errors='replace')}")
        check(answers(out), want, kills)
        batches += 1
        os.remove(out)
    rc = subprocess.run(command + [out], stderr=subprocess.DEVNULL).returncode
    assert rc == DONE_WITH_FAILURES, f"the last run ended with {rc}"
    check(answers(out), want, kills)
    print(f"{kills} kills in {starts + 1} starts, {torn} lines torn by hand, {batches + 1} batches: "
          f"every id once, every answer as undisturbed")


def check(got, want, kills):
    if got != want:
        ids = [g.get("custom_id", g["id"]) for g in got]
        double = sorted({i for i in ids if ids.count(i) > 1})
        lost = [w.get("custom_id", w["id"]) for w in want if w.get("custom_id", w["id"]) not in ids]
        sys.exit(f"after {kills} kills: lost {lost}, doubled {double}, or answers differ")


if __name__ == "__main__":
    main()
