"""Write llm/utf8_case.c: what str.upper() and str.lower() make of each character.

usage: make_case_tables.py > llm/utf8_case.c
"""

import sys
import unicodedata


def rows(change):
    out = []
    for c in range(0x110000):
        if 0xD800 <= c < 0xE000:
            continue
        t = change(chr(c))
        if t == chr(c):
            continue
        delta, more = ord(t[0]) - c, [ord(x) for x in t[1:]] + [0, 0]
        row = [c, c, delta, 1, more[0], more[1]]
        if out and not row[4] and not out[-1][4] and out[-1][2] == delta:
            last = out[-1]
            gap = c - last[1]
            if gap <= 2 and (last[0] == last[1] or gap == last[3]):
                last[1], last[3] = c, gap
                continue
        out.append(row)
    return out


def table(name, change):
    r = rows(change)
    print(f"const tsri_case_row tsri_case_{name}[] = {{")
    line = "   "
    for first, last, delta, step, m0, m1 in r:
        cell = f" {{0x{first:X}, 0x{last:X}, {delta}, {step}, {{{m0}, {m1}}}}},"
        if len(line) + len(cell) > 118:
            print(line)
            line = "   "
        line += cell
    print(line)
    print("};")
    print(f"const size_t tsri_case_{name}_n = sizeof tsri_case_{name} / sizeof *tsri_case_{name};\n")


print(f"/* utf8_case.c: upper and lower case of Unicode {unicodedata.unidata_version}, as Python has them.")
print(" * Made by tests/llm/fixtures_text/make_case_tables.py; not edited by hand. */")
print('#include "utf8_case_internal.h"\n')
table("upper", str.upper)
table("lower", str.lower)
sys.stdout.flush()
