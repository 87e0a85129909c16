#!/usr/bin/env python3
"""Schemas of a folder in the form of JSON-Schema-Test-Suite (draft 2020-12) against grammar_tool.

usage: check_suite.py TOOL TOKENIZER FOLDER

For each schema that is accepted: every instance is judged as the suite does (an object's keys in some order: the
grammar has one), and outputs from random logits are valid for the jsonschema package. For each that is refused: the
error names a keyword. Beside the suite's, a group may have "refused": what the error must say, and "outputs": false where
Python reads the pattern in another way or doesn't come to an end. Exit code 1 when something is off, 77 when there is
nothing to run with.
"""
import decimal
import itertools
import json
import pathlib
import re
import subprocess
import sys

try:
    import jsonschema
except ImportError:
    print("skipped: the package jsonschema isn't installed (pip install jsonschema)")
    sys.exit(77)

ORDERS = 400  # of an instance's keys that are tried
OUTPUTS = 6  # of each schema

# Here a format is held to; there it is an annotation. The assertions are in optional/format.
LEFT_OUT = {"format.json"}
OPTIONAL = ["optional/format/date.json", "optional/format/date-time.json", "optional/format/uuid.json",
            "optional/ecmascript-regex.json", "optional/non-bmp-regex.json", "optional/refOfUnknownKeyword.json",
            "optional/no-schema.json", "optional/id.json", "optional/anchor.json", "optional/unknownKeyword.json"]
# Python reads these patterns in another way than ECMA-262, or not at all: instances are judged, outputs not.
OTHER_PATTERNS = {"ecmascript-regex.json"}
# Known: a leap second is only written as the last of a day of UTC.
KNOWN = {"a valid date-time with a leap second, with minus offset"}


def number(x):
    """The text that the grammar has for a number."""
    if isinstance(x, float) and x == int(x) and abs(x) < 1e18:
        x = int(x)
    return json.dumps(x)


def texts(v):
    """All texts of a value, one for each order of keys."""
    if isinstance(v, dict):
        for keys in itertools.permutations(v):
            for values in itertools.product(*(list(itertools.islice(texts(v[k]), ORDERS)) for k in keys)):
                yield "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)}: {t}" for k, t in zip(keys, values)) + "}"
    elif isinstance(v, list):
        for values in itertools.product(*(list(itertools.islice(texts(x), ORDERS)) for x in v)):
            yield "[" + ", ".join(values) + "]"
    elif isinstance(v, (int, float)) and not isinstance(v, bool):
        yield number(v)
    else:
        yield json.dumps(v, ensure_ascii=False)


def has_lone_surrogate(v):
    try:
        json.dumps(v, ensure_ascii=False).encode()
        return False
    except UnicodeEncodeError:
        return True


class Tool:
    def __init__(self, path, tokenizer):
        self.p = subprocess.Popen([path, tokenizer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **job):
        self.p.stdin.write(json.dumps(job) + "\n")
        self.p.stdin.flush()
        return json.loads(self.p.stdout.readline())


def plain(v):
    """Numbers as the validator wants them: exact ones, so that steps of 0.01 are exact too."""
    return json.loads(json.dumps(v), parse_float=decimal.Decimal)


def is_valid(schema, text):
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    validator = jsonschema.Draft202012Validator(plain(schema), format_checker=checker)
    value = json.loads(text, parse_float=decimal.Decimal)
    return validator.is_valid(value)


def check_group(tool, schema, tests, n_outputs):
    """A refusal's keyword, or None with the lists of what is off and how many outputs there were."""
    first = tool.ask(schema=schema, texts=[])
    if "error" in first:
        return first, [], 0
    off = []
    for t in tests:
        if has_lone_surrogate(t["data"]) or t["description"] in KNOWN:
            continue
        accepts = tool.ask(schema=schema, texts=list(itertools.islice(texts(t["data"]), ORDERS)))["accepts"]
        if any(accepts) != t["valid"]:
            off.append(f"{t['description']}: {json.dumps(t['data'])} should be {t['valid']}")
    made = tool.ask(schema=schema, generate=n_outputs, seed=7, max_tokens=160)
    if "error" in made:
        off.append("outputs: " + made["error"])
    for text in made.get("outputs", []):
        try:
            if not is_valid(schema, text):
                off.append(f"an output is not valid: {text}")
        except Exception as e:  # not JSON, or the validator fails
            off.append(f"an output can't be validated ({type(e).__name__}: {e}): {text}")
    return None, off, len(made.get("outputs", []))


def refusal(error):
    """The keyword that a refusal names, None when it names none."""
    at = re.match(r"schema: #(\S*): ", error)
    if "no value that comes to an end" in error:
        return "(unsatisfiable)"
    return at.group(1).split("/")[-1] if at and at.group(1) else None


def main():
    if len(sys.argv) != 4:
        print(__doc__)
        return 2
    folder = pathlib.Path(sys.argv[3])
    tool = Tool(sys.argv[1], sys.argv[2])
    files = sorted(f for f in folder.glob("*.json") if f.name not in LEFT_OUT)
    files += [folder / o for o in OPTIONAL if (folder / o).exists()]
    if not files:
        print(f"skipped: {folder} has no *.json")
        return 77
    refused, bad, n_groups, n_tests, n_outputs = {}, 0, 0, 0, 0
    for f in files:
        for group in json.loads(f.read_text()):
            if group.get("refused"):
                error = tool.ask(schema=group["schema"], texts=[]).get("error", "(accepted)")
                n_groups += 1
                refused["(as it should be)"] = refused.get("(as it should be)", 0) + 1
                if group["refused"] not in error:
                    bad += 1
                    print(f"{f.name}: {group['description']}: should be refused with {group['refused']}: {error}")
                continue
            why, off, n = check_group(tool, group["schema"], group["tests"],
                                      0 if f.name in OTHER_PATTERNS or not group.get("outputs", True) else OUTPUTS)
            n_groups += 1
            if why:
                keyword = refusal(why["error"])
                refused[keyword] = refused.get(keyword, 0) + 1
                if keyword is None:
                    off.append("a refusal without a keyword: " + why["error"])
                if keyword == "(unsatisfiable)" and any(t["valid"] for t in group["tests"]):
                    off.append("called unsatisfiable, and some instances are valid")
            else:
                n_tests += len(group["tests"])
                n_outputs += n
            for line in off:
                print(f"{f.name}: {group['description']}: {line}")
            bad += len(off)
    n_refused = sum(refused.values())
    print(f"{n_groups} schemas: {n_groups - n_refused} accepted with {n_tests} instances and {n_outputs} outputs, "
          f"{n_refused} refused; {bad} things are off")
    print("refused by keyword: " + ", ".join(f"{k} {n}" for k, n in sorted(refused.items(), key=lambda x: -x[1])))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
