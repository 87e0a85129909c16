#!/usr/bin/env python3
"""rivals.py: tessera and llama.cpp on the same file, in turns, in one run; ratios against the faster rival.

usage: rivals.py MODEL.gguf [MMPROJ.gguf] [--rounds N] [--prompts 512,2048] [--decode N] [--csv FILE]
                 [--node DIR] [--python PROGRAM] [--ik DIR] [--args '...']

--node: a folder with the npm package node-llama-cpp (prebuilt; text only). --python: a Python whose package
llama-cpp-python was built from source on this machine (text, pictures and sounds). Either may be missing. Every side
has as many threads as there are CPUs that may be used. A round runs each side once, beginning with another one each
time; each run is a process that warms up before it measures. ik_llama.cpp may repack the weights when it loads them (-rtr).
--args: further arguments of bench/warm (--no-skip, --cpu) and, with an MMPROJ, of tessera run."""
import argparse
import json
import os
import re
import shlex
import statistics
import sys
import tempfile

import common
import phases

HERE = os.path.dirname(os.path.abspath(__file__))
WARM = os.path.join(os.path.dirname(common.TESSERA), "bench", "warm")


def text(a, command, n):
    r = common.run_undisturbed(command(a.model, n))
    line = json.loads(r["stdout"].splitlines()[-1])
    if line["decode_tokens"] != a.decode or line["prompt_tokens"] != n:
        raise common.Failed(f"{command(a.model, n)[0]}: {line}")
    return {f"prefill {n}": n / line["prefill_s"], f"decode at {n}": a.decode / line["decode_s"]}, r


def tessera_tower(a, kind, path):
    args = ["--image", path, "--budget", "280"] if kind == "picture" else ["--audio", path]
    result, r = common.tessera(["-m", a.model, "--mmproj", a.mmproj, *shlex.split(a.args), *args, "--text", "a",
                                "--max-tokens", "1", "--temperature", "0", "-t", str(common.cpus())])
    return {kind: 1 / result["timings"]["encode_s"]}, r


def rival_tower(a, kind, path):
    r = common.run_undisturbed([a.python, os.path.join(HERE, "rival_python.py"), "tower", a.model, a.mmproj,
                                str(common.cpus()), kind, path])
    return {kind: 1 / json.loads(r["stdout"].splitlines()[-1])["encode_s"]}, r


def ik_text(a, n):
    r = common.run_undisturbed([os.path.join(a.ik, "llama-bench"), "-m", a.model, "-t", str(common.cpus()), "-r", "1", "-n", "0",
                                "-rtr", "1", "-p", str(n), "-gp", f"{n},{a.decode}", "-o", "json"])
    rates = {t["test"]: t["avg_ts"] for t in json.loads(r["stdout"])}
    return {f"prefill {n}": rates[f"pp{n}"], f"decode at {n}": rates[f"tg{a.decode}@pp{n}"]}, r


def ik_picture(a, path):
    """Where the picture is: the program leaves a log where it runs."""
    r = common.run_undisturbed(["env", "-C", os.path.dirname(path), os.path.join(a.ik, "llama-mtmd-cli"), "-m",
                                os.path.abspath(a.model), "--mmproj", os.path.abspath(a.mmproj), "--image", path,
                                "-p", "a", "-t", str(common.cpus()), "-n", "1", "-c", "2048", "--chat-template", "gemma"])
    ms = re.search(r"image slice encoded in (\d+) ms", r["stdout"] + r["stderr"])
    if not ms:
        raise common.Failed(f"ik_llama.cpp: no time of the picture\n{r['stderr'][-2000:]}")
    return {"picture": 1000 / int(ms[1])}, r


def sides_of_text(a, n):
    threads, decode = str(common.cpus()), str(a.decode)
    sides = {"tessera": lambda: text(a, lambda m, k: [WARM, m, threads, decode, str(k), *shlex.split(a.args)], n)}
    if a.node:
        sides["node-llama-cpp"] = lambda: text(
            a, lambda m, k: ["node", os.path.join(HERE, "rival_node.mjs"), a.node, m, threads, decode, str(k)], n)
    if a.python:
        sides["llama-cpp-python"] = lambda: text(
            a, lambda m, k: [a.python, os.path.join(HERE, "rival_python.py"), "text", m, threads, decode, str(k)], n)
    if a.ik:
        sides["ik_llama.cpp"] = lambda: ik_text(a, n)
    return sides


def sides_of_tower(a, kind, path):
    sides = {"tessera": lambda: tessera_tower(a, kind, path)}
    if a.python:
        sides["llama-cpp-python"] = lambda: rival_tower(a, kind, path)
    if a.ik and kind == "picture":
        sides["ik_llama.cpp"] = lambda: ik_picture(a, path)
    return sides


def take_turns(a, sides, rounds, rows, facts):
    """All sides in each round, another one first each time, each with the files in the page cache as far as they fit: a side
    that copies a large model may have driven it out."""
    names = list(sides)
    for i in range(rounds):
        for name in names[i % len(names):] + names[:i % len(names)]:
            for path in filter(None, (a.model, a.mmproj)):
                common.read_through(path)
            common.settle()
            rates, r = sides[name]()
            for phase, rate in rates.items():
                rows.append({"phase": phase, "side": name, "round": i, "per_s": round(rate, 4),
                             "foreign_cpu": round(r["foreign"], 3), **facts})
                print(f"round {i}: {phase}: {name} {rate:.3f}/s (others had {100 * r['foreign']:.0f} % of the CPUs)",
                      flush=True)


def tell(rows):
    for phase in dict.fromkeys(r["phase"] for r in rows):
        rates = {}
        for r in rows:
            if r["phase"] == phase:
                rates.setdefault(r["side"], []).append(r["per_s"])
        medians = {s: statistics.median(v) for s, v in rates.items()}
        rivals = {s: m for s, m in medians.items() if s != "tessera"}
        line = f"{phase}: " + ", ".join(f"{s} {m:.2f}" for s, m in medians.items())
        if rivals:
            fastest = max(rivals, key=rivals.get)
            pairs = [t / x for t, x in zip(rates["tessera"], rates[fastest])]
            line += f"; {statistics.median(pairs):.2f} x {fastest} ({min(pairs):.2f} to {max(pairs):.2f})"
        print(line)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("mmproj", nargs="?")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--prompts", type=phases.numbers, default=[512, 2048])
    p.add_argument("--decode", type=int, default=32)
    p.add_argument("--csv")
    p.add_argument("--node", type=os.path.abspath)
    p.add_argument("--python")
    p.add_argument("--ik", type=os.path.abspath)
    p.add_argument("--args", default="")
    a = p.parse_args()
    if not a.node and not a.python and not a.ik:
        sys.exit("rivals.py: neither --node nor --python nor --ik: there is nobody to compare with")
    rows, facts = [], {"model": os.path.basename(a.model), "args": a.args, **common.machine_facts()}
    for n in a.prompts:
        take_turns(a, sides_of_text(a, n), a.rounds, rows, facts)
    if a.mmproj:
        with tempfile.TemporaryDirectory() as folder:
            for kind, path in (("picture", phases.picture(os.path.join(folder, "picture.ppm"))),
                               ("sound", phases.sound(os.path.join(folder, "sound.wav")))):
                sides = sides_of_tower(a, kind, path)
                if len(sides) > 1:
                    take_turns(a, sides, a.rounds, rows, facts)
    if a.csv:
        common.write_csv(a.csv, rows)
    tell(rows)


if __name__ == "__main__":
    main()
