#!/usr/bin/env python3
"""kernels.py: the benches of the kernels' tests beside the machine's own limits, measured in the same run.

usage: kernels.py [--csv FILE] [--threads N] [--tests test_kernels,test_matmul,test_int8] [--build DIR]

Each line of a bench that says GB/s or operations per second gets the share of the limit that bounds its kind: reading
for few rows, arithmetic of its type for many. DIR: a release build (build/release)."""
import argparse
import csv
import os

import common

# Columns of the benches that are rates, and the limits they are shares of.
RATES = {"GB_per_s": ("read",), "GB_per_s_median": ("read",), "GFLOP_per_s": ("f32", "bf16"), "GOP_per_s": ("int8",)}


def bench(build, test, threads):
    args = [] if test == "test_kernels" else [str(threads)]
    out = common.run_undisturbed([os.path.join(build, "tests/base", test), "--bench", *args])["stdout"]
    return list(csv.DictReader(line for line in out.splitlines() if not line.startswith("#")))


def limit_of(row, column, limits):
    kinds = RATES[column]
    level = row.get("level", "")
    is_bf16 = "bf16" in kinds and row.get("type") == "BF16" and ("bf16" in level or level == "amx")
    is_tiles = column == "GOP_per_s" and level == "amx" and int(row.get("n", 0)) >= 16
    return limits.get("bf16" if is_bf16 or is_tiles else kinds[0])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--csv")
    p.add_argument("--threads", type=int, default=common.cpus())
    p.add_argument("--tests", default="test_kernels,test_matmul,test_int8")
    p.add_argument("--build", default=os.path.join(common.ROOT, "build/release"))
    a = p.parse_args()
    limits, facts, rows = common.limits(), common.machine_facts(), []
    for test in a.tests.split(","):
        for row in bench(a.build, test, a.threads):
            for column in RATES:
                limit = limit_of(row, column, limits)
                if row.get(column) and limit:
                    row[f"share_of_limit_{column}"] = round(float(row[column]) / limit, 3)
            rows.append({"test": test, **row, **{f"limit_{k}": v for k, v in limits.items()}, **facts})
    common.write_csv(a.csv, rows)


if __name__ == "__main__":
    main()
