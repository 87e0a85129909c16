"""The chat format as the published template renders it, for the turns that training needs."""


def declaration(tool):
    """One tool of OpenAI's shape with flat string or number properties."""
    f = tool["function"]
    p = f["parameters"]
    fields = []
    for key in sorted(p["properties"], key=str.lower):
        body = p["properties"][key]
        text = f'description:<|"|>{body["description"]}<|"|>,' if "description" in body else ""
        fields.append(f'{key}:{{{text}type:<|"|>{body["type"].upper()}<|"|>}}')
    needed = ",".join(f'<|"|>{n}<|"|>' for n in p["required"])
    return (f'<|tool>declaration:{f["name"]}{{description:<|"|>{f["description"]}<|"|>,parameters:{{properties:{{{",".join(fields)}}},'
            f'required:[{needed}],type:<|"|>OBJECT<|"|>}}}}<tool|>')


def tool_call(name, arguments):
    fields = [f'{k}:<|"|>{v}<|"|>' if isinstance(v, str) else f"{k}:{v}" for k, v in sorted(arguments.items(), key=lambda kv: kv[0].lower())]
    return f'<|tool_call>call:{name}{{{",".join(fields)}}}<tool_call|>'


def image(n_tokens, mark="<|image|>"):
    return "<|image>" + mark * n_tokens + "<image|>"


def sound(n_tokens):
    return "<|audio>" + "<|audio|>" * n_tokens + "<audio|>"


def video(frames):
    """frames: [(seconds, tokens)]"""
    return " ".join(f"{int(t // 60):02d}:{int(t % 60):02d} " + image(n, "<|video|>") for t, n in frames)


EMPTY_THOUGHT = "<|channel>thought\n<channel|>"


def prompt(turns, system=None, tools=(), thinks=False):
    """turns: [(role, rendered text)], role user or model; ends where the model is to speak."""
    text = "<bos>"
    if system is not None or tools or thinks:
        text += "<|turn>system\n" + ("<|think|>\n" if thinks else "") + (system or "").strip() + "".join(map(declaration, tools)) + "<turn|>\n"
    for role, content in turns:
        text += f"<|turn>{role}\n{content}<turn|>\n"
    return text + "<|turn>model\n"
