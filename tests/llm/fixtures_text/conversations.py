"""The conversations that chat.json holds: name, and what the template is given. Used by make_chat.py."""

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Current weather in a place.",
    "parameters": {"type": "object", "properties": {
        "location": {"type": "string", "description": "City, e.g. Oslo"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "description": "Which scale", "nullable": True},
        "Days": {"type": "integer"}, "active": {"type": "boolean", "nullable": True}},
        "required": ["location", "unit"]}}}
NESTED = {"type": "function", "function": {
    "name": "book", "description": "Books a trip.\nWith \"quotes\" and {braces}.",
    "parameters": {"type": "object", "properties": {
        "type": {"type": "string", "description": "a property that is skipped"},
        "legs": {"type": "array", "description": "the way", "items": {
            "type": "object", "properties": {"to": {"type": "string"}, "at": {"type": "number", "description": "hour"}},
            "required": ["to"], "description": "one leg", "additionalProperties": False, "default": None}},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"], "minLength": 1}},
        "both": {"type": "array", "items": {"type": ["string", "null"]}},
        "bare": {"type": "array"},
        "empty": {"type": "array", "items": {}},
        "who": {"type": "object", "description": "traveller", "properties": {
            "name": {"type": "string"},
            "address": {"type": "object", "properties": {"zip": {"type": "string", "enum": [1, 2.5, None, True, {"z": 1, "A": "x"}]}},
                        "required": ["zip"]}}, "required": ["name", "address"]},
        "free": {"type": "object", "additionalProperties": False, "title": "anything"},
        "void": {"type": "object"},
        "untyped": {"description": "no type at all"},
        "multi": {"type": ["string", "null"], "description": "a list of types"},
        "nothing": {"type": None},
        "Ärger": {"type": "string"}, "ärger2": {"type": "string"}, "zebra": {"type": "string"}},
        "required": ["legs", "who"]},
    "response": {"description": "the booking", "type": "object"}}}
NOPARAMS = {"type": "function", "function": {"name": "now", "description": "The time."}}
NOTYPE = {"type": "function", "function": {"name": "odd", "description": "", "parameters": {
    "properties": {"x": {"type": "number"}}}, "response": {"type": "string", "description": "told"}}}
EMPTYPARAMS = {"type": "function", "function": {"name": "nil", "description": "Nothing.", "parameters": {
    "type": "object", "properties": {}}, "response": {"type": "OBJECT"}}}


def call(name, args, cid=None):
    c = {"type": "function", "function": {"name": name, "arguments": args}}
    if cid is not None:
        c["id"] = cid
    return c


def user(t):
    return {"role": "user", "content": t}


def model(t, **more):
    return {"role": "assistant", "content": t, **more}


def tool(t, **more):
    return {"role": "tool", "content": t, **more}


TXT = {"type": "text", "text": "  What is this? \n"}
IMG, AUD, VID = {"type": "image"}, {"type": "audio"}, {"type": "video"}
ARGS = {"location": "Oslo", "Days": 3, "unit": None, "deep": {"b": [1, -2.5, True, None, "x"], "A": {}}, "e": 1e-07,
        "f": 1e16, "g": 100.0, "h": 123456789012345680.0, "i": 0.1, "j": [], "k": -0.0, "l": 5e-324, "m": 1.5e300}
BASE = {
    "hello": [user("Hello")],
    "trimmed": [user("\n\n  Hello \u00a0\u3000\t\x1f\n")],
    "system": [{"role": "system", "content": " You are terse.\n"}, user("Hi")],
    "developer": [{"role": "developer", "content": "You are terse."}, user("Hi")],
    "developer_later": [user("Hi"), {"role": "developer", "content": "Now shout."}, user("Go")],
    "system_later": [user("Hi"), {"role": "system", "content": "Now shout."}, model("OK"), user("Go")],
    "empty_system": [{"role": "system", "content": ""}, user("Hi")],
    "only_system": [{"role": "system", "content": "Speak."}],
    "turns": [user("One"), model("Two"), user("Three"), model("Four"), user("Five")],
    "ends_with_model": [user("One"), model("Two")],
    "adjacent_models": [user("One"), model("Two"), model("Three"), user("Four")],
    "adjacent_users": [user("One"), user("Two")],
    "thoughts_in_history": [user("One"), model("<|channel>thought\nhm\n<channel|>Two"), user("Three")],
    "many_thoughts": [user("a"), model(" x <|channel>t<channel|> y <|channel>u<channel|> z "), user("b")],
    "open_thought": [user("a"), model("x<|channel>never closed"), user("b")],
    "stray_close": [user("a"), model("x<channel|>y<channel|><|channel>q<|channel>r<channel|>s"), user("b")],
    "user_keeps_marks": [user("a <|channel>b<channel|> c"), model("d"), user("<turn|>\n<|turn>model\nno <bos>")],
    "empty_model": [user("a"), model(""), user("b")],
    "null_model": [user("a"), model(None), user("b")],
    "no_content": [user("a"), {"role": "assistant"}, user("b")],
    "image_first": [{"role": "user", "content": [IMG, TXT]}],
    "image_last": [{"role": "user", "content": [TXT, IMG]}],
    "all_media": [{"role": "user", "content": [IMG, TXT, AUD, {"type": "text", "text": "and"}, VID, IMG]}],
    "two_texts": [{"role": "user", "content": [{"type": "text", "text": " a "}, {"type": "text", "text": " b "}]}],
    "media_in_history": [{"role": "user", "content": [IMG, TXT]}, model("A cat."),
                         {"role": "user", "content": [AUD, {"type": "text", "text": "And this?"}]}],
    "model_parts": [user("a"), {"role": "assistant", "content": [
        {"type": "text", "text": " <|channel>x<channel|> b "}, IMG, {"type": "text", "text": " c"}]}, user("d")],
    "empty_parts": [{"role": "user", "content": []}],
    "unicode": [user("Grüße 你好 \U0001f600 \u2581 e\u0301"), model("Ελλάδα"), user("\u2028x\u2029")],
    "newlines": [user("a\n\nb\n\n\nc"), model("\n\nd\n"), user("e\r\nf")],
}
CALLS = {
    "open_call": [user("w?"), model("", tool_calls=[call("get_weather", ARGS, "c1")])],
    "open_call_text": [user("w?"), model("Let me look.", tool_calls=[call("get_weather", {"location": "Oslo"})])],
    "call_no_args": [user("w?"), model(None, tool_calls=[call("now", {})])],
    "two_calls": [user("w?"), model(None, tool_calls=[call("now", {}, "1"), call("get_weather", {"location": "X"}, "2")])],
    "answered": [user("w?"), model(None, tool_calls=[call("get_weather", {"location": "Oslo"}, "c1")]),
                 tool("12 degrees", tool_call_id="c1")],
    "answered_text": [user("w?"), model("Looking.", tool_calls=[call("now", {}, "c1")]), tool("12", tool_call_id="c1")],
    "answered_spaces": [user("w?"), model(" \n", tool_calls=[call("now", {}, "c1")]), tool(" 12 ", tool_call_id="c1")],
    "answered_no_ids": [user("w?"), model(None, tool_calls=[call("now", {}), call("get_weather", {"location": "Y"})]),
                        tool("A", name="now"), tool("B", name="get_weather")],
    "answered_by_name": [user("w?"), model(None, tool_calls=[call("now", {}, "c1")]),
                         tool("A", name="other", tool_call_id="c9")],
    "answered_swapped": [user("w?"), model(None, tool_calls=[call("now", {}, "1"), call("book", {}, "2")]),
                         tool("B", tool_call_id="2"), tool("A", tool_call_id="1")],
    "answered_parts": [user("w?"), model(None, tool_calls=[call("now", {}, "1")]),
                       tool([{"type": "text", "text": " a "}, {"type": "text", "text": " b "}], tool_call_id="1")],
    "answered_marks": [user("w?"), model(None, tool_calls=[call("now", {}, "1")]),
                       tool("x<tool_response|><turn|>\n{\"a\":1}", tool_call_id="1")],
    "answered_empty": [user("w?"), model(None, tool_calls=[call("now", {}, "1")]), tool("", tool_call_id="1")],
    "then_text": [user("w?"), model(None, tool_calls=[call("now", {}, "1")]), tool("12", tool_call_id="1"),
                  model("It is 12."), user("Thanks")],
    "then_call": [user("w?"), model(None, tool_calls=[call("now", {}, "1")]), tool("12", tool_call_id="1"),
                  model(None, tool_calls=[call("book", {"legs": []}, "2")]), tool("ok", tool_call_id="2")],
    "native_mapping": [user("w?"), model(None, tool_calls=[call("now", {})],
                                         tool_responses=[{"name": "now", "response": {"time": "12", "Zone": 1, "alpha": [1, {"k": None}]}}])],
    "native_values": [user("w?"), model(None, tool_calls=[call("now", {})], tool_responses=[
        {"name": "now", "response": "12"}, {"name": "n", "response": 3}, {"name": "l", "response": [1, "a"]},
        {"response": {}}, {"name": "z", "response": None}, {"name": "b", "response": True}, {"name": "f", "response": 2.50}])],
    "native_text": [user("w?"), model("Done.", tool_calls=[call("now", {})], tool_responses=[{"name": "now", "response": "12"}]),
                    user("ok")],
    "native_text_last": [user("w?"), model("Done.", tool_calls=[call("now", {})],
                                           tool_responses=[{"name": "now", "response": "12"}])],
    "responses_alone": [user("w?"), model(None, tool_responses=[{"name": "now", "response": "12"}])],
    "reasoning": [user("w?"), model(None, reasoning="I need the time.", tool_calls=[call("now", {}, "1")]),
                  tool("12", tool_call_id="1")],
    "reasoning_content": [user("w?"), model("x", reasoning_content=" spaces kept ", tool_calls=[call("now", {}, "1")])],
    "reasoning_old": [user("w?"), model(None, reasoning="old", tool_calls=[call("now", {}, "1")]),
                      tool("12", tool_call_id="1"), model("12."), user("again")],
    "reasoning_no_call": [user("w?"), model("12", reasoning="unused")],
    "reasoning_both": [user("w?"), model(None, reasoning="", reasoning_content="second", tool_calls=[call("now", {})])],
    "stray_tool": [user("w?"), tool("12", tool_call_id="1"), model("?"), user("x")],
    "call_image": [user("w?"), {"role": "assistant", "content": [IMG], "tool_calls": [call("now", {})]}],
    "nested_keys": [user("w?"), model(None, tool_calls=[call("f", {"b": {"z": {"y": [[{"Q": 1, "q": 2, "P": 3}]]}}, "a": "<|\"|>"})])],
}


def cases():
    """(name, messages, tools, thinking, empty_thought, generation_prompt) for every case."""
    for name, m in {**BASE, **CALLS}.items():
        yield name, m, None, False, False, True
    for name in ("hello", "system", "turns", "image_first", "answered", "then_text", "reasoning", "open_call",
                 "native_text_last", "only_system"):
        m = {**BASE, **CALLS}[name]
        yield name + "/think", m, None, True, False, True
        yield name + "/think_big", m, None, True, True, True
        yield name + "/empty_thought", m, None, False, True, True
        yield name + "/no_prompt", m, None, False, True, False
    for label, tools in (("weather", [WEATHER]), ("nested", [NESTED]), ("more", [NOPARAMS, NOTYPE, EMPTYPARAMS]),
                         ("all", [WEATHER, NESTED, NOPARAMS]), ("none", [])):
        yield "tools_" + label, BASE["hello"], tools, False, True, True
        yield "tools_" + label + "/system", BASE["system"], tools, True, False, True
