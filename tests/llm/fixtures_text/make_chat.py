"""Write chat.json: the conversations of conversations.py with what the published template makes of them, rendered as
transformers renders templates. The template itself isn't kept here; the one for 31B has the empty thought
unconditionally, so that line of it must be made to depend on `empty_thought` first.

usage: make_chat.py TEMPLATE.jinja [OUT_DIR]
"""

import json
import os
import sys

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from conversations import cases


def main():
    out = sys.argv[2] if len(sys.argv) > 2 else os.path.dirname(os.path.abspath(__file__))
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    source = open(sys.argv[1]).read()
    assert "empty_thought" in source
    template = env.from_string(source)
    rows = []
    for name, messages, tools, thinking, empty, prompt in cases():
        text = template.render(messages=messages, tools=tools, enable_thinking=thinking, empty_thought=empty,
                               add_generation_prompt=prompt, bos_token="<bos>")
        rows.append({"name": name, "messages": messages, "tools": tools, "thinking": thinking, "empty_thought": empty,
                     "generation_prompt": prompt, "text": text})
    with open(os.path.join(out, "chat.json"), "w") as f:
        f.write('{"made_with":"jinja2 %s","cases":[\n' % jinja2.__version__)
        f.write(",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in rows))
        f.write("\n]}\n")


main()
