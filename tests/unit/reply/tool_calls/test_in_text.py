"""Tool calls left in the text: both forms, any split, nothing lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from langchain_qwen3.reply.tool_calls.fragments import ToolCallStream, collect_tool_calls
from langchain_qwen3.reply.tool_calls.in_text import CallsInText

CAPTURES = Path(__file__).parents[3] / "captures"


def find_recorded(case: str) -> list[Path]:
    """Return what the two engines said in this case."""
    return sorted(
        path for path in CAPTURES.glob(f"*/{case}.json") if path.parent.name.startswith(("vllm-", "llama-server"))
    )


PARAMETERS = {
    "properties": {
        "s": {"type": "string"},
        "i": {"type": "integer"},
        "n": {"type": "number"},
        "b": {"type": "boolean"},
        "l": {"type": "array"},
        "o": {"$ref": "#/$defs/Point"},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "either": {"type": ["string", "integer"]},
        "any": {},
    },
    "$defs": {"Point": {"type": "object", "properties": {"x": {"type": "integer"}}}},
}
CITY = {"properties": {"city": {"type": "string"}}}
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "parameters": CITY}},
    {"type": "function", "function": {"name": "now"}},
    {"type": "function", "function": {"name": "put", "parameters": PARAMETERS}},
]
WEATHER = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "北京"}}\n</tool_call>'
XML = "<tool_call>\n<function=get_weather>\n<parameter=city>\n北京\n</parameter>\n</function>\n</tool_call>"
BEIJING = ("get_weather", {"city": "北京"})


def rescue(pieces: list[str], *, truncated: bool = False) -> tuple[str, list[tuple[Any, Any]]]:
    """Return the text and the calls as a reply reads them; invalid calls have text as arguments."""
    reader, stream = CallsInText(TOOLS), ToolCallStream()
    text = "".join(map(reader.feed, pieces))
    end = reader.close(truncated=truncated)
    calls = collect_tool_calls(stream.add(end.calls) + stream.close(truncated))
    return text + end.rest, [(call["name"], call["args"]) for call in (*calls.calls, *calls.invalid)]


def weather(city: str) -> str:
    """Return the Hermes call with this JSON text for the city."""
    return WEATHER.replace("北京", city)


def xml(city: str) -> str:
    """Return the XML call with this text for the city."""
    return XML.replace("北京", city)


def call_of(city: str) -> tuple[str, dict[str, str]]:
    """Return the call that is expected."""
    return "get_weather", {"city": city}


OPEN, CLOSE = "<tool_call>", "</tool_call>"
NOW = '{"name": "now"}'
BARE = "<function=now></function>"
BARE_XML = xml("北京").removeprefix(f"{OPEN}\n")
UNKNOWN = weather("北京").replace("get_", "set_")
FENCED = f"````\n```\n{WEATHER}\n```\n````\n"
PUT = f"{OPEN}\n<function=put>\n<parameter=s>\na\n</parameter>\n<parameter=i>\n3\n</parameter>\n</function>\n{CLOSE}"
CALLS: dict[str, tuple[str, str, list[Any]]] = {
    "hermes": (WEATHER, "", [BEIJING]),
    "hermes on one line": (WEATHER.replace("\n", ""), "", [BEIJING]),
    "blanks in the name": (WEATHER.replace('"get_weather"', '" get_weather\\n"'), "", [BEIJING]),
    "text around": (f"Let me <b>.\n{WEATHER}\n\nDone.", "Let me <b>.\n\n\nDone.", [BEIJING]),
    "two calls": (f"\n\n{WEATHER}\n{WEATHER}\n", "", [BEIJING, BEIJING]),
    "closing tag missing at the end": (WEATHER.removesuffix(CLOSE), "", [BEIJING]),
    "tags inside a string": (weather(f"{CLOSE}{OPEN}"), "", [call_of(f"{CLOSE}{OPEN}")]),
    "escaped text": (weather('\\"}\\\\ \\u5317'), "", [call_of('"}\\ 北')]),
    "a bracket too few": (WEATHER.replace("}}", "}"), "", [BEIJING]),
    "a bracket too few, no blanks": (WEATHER.replace("}}", "}").replace("\n", ""), "", [BEIJING]),
    "a bracket too few in each": (f"{WEATHER}\n{WEATHER}".replace("}}", "}"), "", [BEIJING, BEIJING]),
    "a bracket too few, one too many": (
        f"Well.\n{WEATHER.replace('}}', '}')}\n{WEATHER.replace('}}', '}}}')}",
        "Well.\n",
        [BEIJING, BEIJING],
    ),
    "brackets too many": (f"{WEATHER.replace('}}', '}}}')} yes", " yes", [BEIJING]),
    "brackets too many on lines": (WEATHER.replace("}}", "}}\n}\n }"), "", [BEIJING]),
    "brackets too many at the end": (WEATHER.replace(f"}}\n{CLOSE}", "}}}\n"), "", [BEIJING]),
    "no arguments": (f'{OPEN}{{"name": "now"}}{CLOSE}', "", [("now", {})]),
    "arguments first": (
        f'{OPEN}{{"arguments": {{"city": "X"}}, "name": "get_weather"}}{CLOSE}',
        "",
        [call_of("X")],
    ),
    "arguments as text": (
        f'{OPEN}{{"name": "get_weather", "arguments": "{{\\"city\\": \\"X\\"}}"}}{CLOSE}',
        "",
        [call_of("X")],
    ),
    "arguments under the schema's key": (WEATHER.replace("arguments", "parameters"), "", [BEIJING]),
    "more keys": (WEATHER.replace('"arguments"', '"id": 1, "why": "x", "arguments"'), "", [BEIJING]),
    "arguments no object": (f'{OPEN}{{"name": "now", "arguments": 36}}{CLOSE}', "", [("now", "36]")]),
    "xml": (XML, "", [BEIJING]),
    "xml on one line": (XML.replace("\n", ""), "", [BEIJING]),
    "xml without tool_call": (f"Well.\n{BARE_XML}", "Well.\n", [BEIJING]),
    "xml without either tool_call": (f"{BARE_XML.removesuffix(CLOSE)}more", "\nmore", [BEIJING]),
    "xml without parameters": (f"{OPEN}<function=now>\n</function>{CLOSE}", "", [("now", {})]),
    "xml tags inside a value": (
        xml("a</function>b</parameter>c<d>"),
        "",
        [call_of("a</function>b</parameter>c<d>")],
    ),
    "xml with empty value": (xml("").replace("\n\n", "\n"), "", [call_of("")]),
    "xml with newlines in a value": (xml("\n x\n\n"), "", [call_of("\n x\n\n")]),
    "xml value closed twice": (xml("北京\n</parameter>"), "", [BEIJING]),
    "xml value closed often": (xml("北京\n</parameter></parameter>\n</parameter>"), "", [BEIJING]),
    "xml value closed twice before another": (
        PUT.replace("</parameter>", "</parameter>\n</parameter>"),
        "",
        [("put", {"s": "a", "i": 3})],
    ),
    "xml value closed twice behind XML": (
        xml('<parameter name="a"/>\n</parameter>'),
        "",
        [call_of('<parameter name="a"/>')],
    ),
    "xml value that ends with XML": (
        xml('<parameter name="a">1</parameter>'),
        "",
        [call_of('<parameter name="a">1</parameter>')],
    ),
    "xml value that ends within a call": (
        xml("<parameter=city>\na\n</parameter>"),
        "",
        [call_of("<parameter=city>\na\n</parameter>")],
    ),
    "xml value that ends with a tag and a word": (xml("a\n</parameter>\nb"), "", [call_of("a\n</parameter>\nb")]),
    "function closed twice": (XML.replace("</function>", "</function>\n</function>"), "", [BEIJING]),
    "function closed in older words": (XML.replace(CLOSE, f"</function_invocation>\n{CLOSE}"), "", [BEIJING]),
    "parameter closed behind the function": (XML.replace(CLOSE, f"</parameter>{CLOSE}"), "", [BEIJING]),
    "function closed twice, then another": (
        XML.replace(CLOSE, f"</function>{BARE}{CLOSE}"),
        "",
        [BEIJING, ("now", {})],
    ),
    "function closed twice without tool_call": (f"Hm.\n{BARE}</function>\n{CLOSE}\nDone", "Hm.\n\nDone", [("now", {})]),
    "tool_call closed twice": (f"{WEATHER}\n{CLOSE}\nDone.", "\nDone.", [BEIJING]),
    "both forms": (f"{XML}\n{WEATHER}", "", [BEIJING, BEIJING]),
    "two objects in one tag": (f"{WEATHER.removesuffix(CLOSE)}{NOW}\n{CLOSE}", "", [BEIJING, ("now", {})]),
    "an array in one tag": (f"{OPEN}\n[{NOW},\n {NOW}]\n{CLOSE} Done.", " Done.", [("now", {})] * 2),
    "an array of one": (f"{OPEN}[{NOW}]", "", [("now", {})]),
    "two functions in one tag": (XML.replace(CLOSE, f"<function=now></function>{CLOSE}"), "", [BEIJING, ("now", {})]),
    "unknown then known": (f"{UNKNOWN}\n{WEATHER}", f"{UNKNOWN}\n", [BEIJING]),
    "opened twice": (f'{OPEN}{{"name": {WEATHER}', f'{OPEN}{{"name": ', [BEIJING]),
    "behind HTML code": (f"Not <code>a</code> <pre>\n{WEATHER}", "Not <code>a</code> <pre>\n", [BEIJING]),
    "behind another HTML tag": (f"<codec a>{OPEN}{NOW}{CLOSE}", "<codec a>", [("now", {})]),
    "behind closed HTML": (f"<code a='b'>x</code>{OPEN}{NOW}{CLOSE}", "<code a='b'>x</code>", [("now", {})]),
    "behind an open HTML tag": (f"The tag <code> {OPEN}{NOW}{CLOSE}", "The tag <code> ", [("now", {})]),
    "fence closed": (f"```py\nx = 1\n```\n{WEATHER}", "```py\nx = 1\n```\n", [BEIJING]),
    "behind half a call in a fence": (
        f"```\n{XML[:50]}\n```\n{XML}",
        f"```\n{XML[:50]}\n```\n",
        [BEIJING],
    ),
    "fence inside a longer one": (f"{FENCED}{WEATHER}", FENCED, [BEIJING]),
    "inline code closed": (
        f"`` `a` ``, ```b``` and `c`: {OPEN}{NOW}{CLOSE}",
        "`` `a` ``, ```b``` and `c`: ",
        [("now", {})],
    ),
    "fence in a list closed": (
        f"- ```\n  x\n  ```\n{OPEN}{NOW}{CLOSE}",
        "- ```\n  x\n  ```\n",
        [("now", {})],
    ),
    "item of a list": (f"* {OPEN}{NOW}{CLOSE}", "* ", [("now", {})]),
    "curly apostrophe": (f"I don’t know: {OPEN}{NOW}{CLOSE}", "I don’t know: ", [("now", {})]),
    "quotation closed": (f'I "look" it\'s “up”: {OPEN}{NOW}{CLOSE}', 'I "look" it\'s “up”: ', [("now", {})]),
    "quotation of another line": (
        f'A 27".\n> Yes.\n{OPEN}{NOW}{CLOSE}',
        'A 27".\n> Yes.\n',
        [("now", {})],
    ),
    "inches": (
        f'A 27" screen, "room 5", 5\'10": {OPEN}{NOW}{CLOSE}',
        'A 27" screen, "room 5", 5\'10": ',
        [("now", {})],
    ),
    "xml after a quoted one": (f'It says "{XML}".\n{XML}', f'It says "{XML}".\n', [BEIJING]),
    "xml after a quoted tag and its end": (
        f"`{OPEN}` and `{CLOSE}`:\n{BARE_XML}",
        f"`{OPEN}` and `{CLOSE}`:\n",
        [BEIJING],
    ),
    "function behind a quoted tag alone": (
        f'The "{OPEN}" did not work:\n{BARE_XML}',
        f'The "{OPEN}" did not work:\n',
        [BEIJING],
    ),
    "functions behind tags in code": (
        f"Not `{OPEN}`.\n```\n{OPEN}\n```\n\n{BARE}\n{BARE_XML}",
        f"Not `{OPEN}`.\n```\n{OPEN}\n```\n\n",
        [("now", {}), BEIJING],
    ),
    "function behind a quoted tag of another tool": (f'"{UNKNOWN}"\n{BARE}', f'"{UNKNOWN}"\n', [("now", {})]),
    "function behind a quoted call": (f'"{OPEN}{NOW}".\n{BARE}', f'"{OPEN}{NOW}".\n', [("now", {})]),
    "quotation behind a blank": (
        f'{WEATHER}\n"Yes." {OPEN}{NOW}{CLOSE} "No."',
        '\n"Yes."  "No."',
        [BEIJING, ("now", {})],
    ),
    "function and a quotation behind a blank": (f'{BARE} "Yes."', ' "Yes."', [("now", {})]),
    "calls behind a quotation over lines": (
        f'It says: "Do\n{XML}"\n{WEATHER}\n{BARE}',
        f'It says: "Do\n{XML}"\n',
        [BEIJING, ("now", {})],
    ),
    "function behind a quoted function": (f'"Do\n{BARE}"\n{BARE}', f'"Do\n{BARE}"\n', [("now", {})]),
    "code closed": (f"`{OPEN}` is:\n{WEATHER}", f"`{OPEN}` is:\n", [BEIJING]),
}
TEXTS = {
    "unknown tool": UNKNOWN,
    "unknown tool beside a known one": f'{OPEN}{NOW}\n{{"name": "later"}}{CLOSE}',
    "array of no calls": f"{OPEN}[1, 2]{CLOSE}",
    "text between two objects": f"{OPEN}{NOW} and {NOW}{CLOSE}",
    "second object open at the end": f'{OPEN}{NOW}\n{{"name": "n',
    "unknown xml tool": xml("北京").replace("get_", "set_"),
    "not json": f"{OPEN}{{'name': 'now'}}{CLOSE} x",
    "arguments under another key": f'{OPEN}{{"name": "get_weather", "args": {{"city": "X"}}}}{CLOSE}',
    "arguments beside the name": f'{OPEN}{{"name": "get_weather", "city": "X"}}{CLOSE}',
    "no name": f'{OPEN}{{"arguments": {{}}}}{CLOSE}',
    "a bracket too few before words": f'{OPEN}{{"name": "now", "arguments": {{}} or {CLOSE}',
    "a bracket too few and no end": f'{OPEN}{{"name": "now", "arguments": {{}}\n',
    "two brackets too few": f'{OPEN}{{"name": "get_weather", "arguments": {{"city": "X"{CLOSE}',
    "a bracket too few for an unknown tool": UNKNOWN.replace("}}", "}"),
    "brackets too many before words": f"{OPEN}{NOW}}} and{CLOSE}",
    "a quoted call with a bracket too few": f'It says "{WEATHER.replace("}}", "}")}".',
    "never opened": f"a {CLOSE} b < c <tool",
    "spoken of": f"A {OPEN} is a tag; <function=x> and <function=\n too.",
    "open at the end": f'Hm {OPEN}{{"name": "now", "arg',
    "xml open at the end": "Hm <function=get_weather>\n<parameter=city>\nX</function>",
    "text goes on": f'{OPEN}{{"name": "now"}} it is',
    "xml with stray text": f"<function=now>well</function>{OPEN}<function=now>well</function>{CLOSE}",
    "only blank": "\n \n",
    "empty": "",
    "fenced": f"So:\n```xml\n{WEATHER}\n```\nOr:\n~~~\n{XML}\n~~~\n",
    "fence on the line": f"```{WEATHER}",
    "inline code": f'Write `{OPEN}{{"name": "now"}}{CLOSE}`.',
    "block quote": f"The page says:\n> {OPEN}{NOW}{CLOSE}\n >> <function=now></function>\n",
    "quotation": f'It says "{OPEN}<function=now></function>{CLOSE}" there.',
    "quotation with numbers": f'A 27" screen has "page 5" and "6 {OPEN}<function=now></function>{CLOSE}".',
    "quotation in Chinese": f"网页上写着“{OPEN}{NOW}{CLOSE}”，另一处是「请看 {OPEN}{NOW}{CLOSE}」。",
    "single quotes": f"the words '{OPEN}{NOW}{CLOSE}' and:'<function=now></function>'",
    "curly single quotes": f"It says ‘{OPEN}{NOW}{CLOSE}’ and ‚{OPEN}{NOW}{CLOSE}‘.",
    "other quotation marks": f"《{OPEN}{NOW}{CLOSE}》 „{OPEN}{NOW}{CLOSE}“ ‹{OPEN}{NOW}{CLOSE}›",
    "HTML code": f"It writes <code>{OPEN}{NOW}{CLOSE}</code>, or <pre><CODE><function=now></function></CODE></pre>.",
    "HTML preformatted": f"<pre>{OPEN}{NOW}{CLOSE}</pre>",
    "HTML code with a language": f'<pre><code class="language-xml">{OPEN}{NOW}{CLOSE}</code></pre>',
    "HTML preformatted with a style": f'<PRE style="white-space: pre-wrap">{OPEN}{NOW}{CLOSE}</PRE>',
    "inline code of two backticks": f"``{OPEN}{NOW}{CLOSE}`` and `` `a` {OPEN}{NOW}{CLOSE} ``",
    "quoted xml over lines": f"It says \"{XML}\", '{XML}' and «{XML}».",
    "quoted xml over lines in Chinese": f"网页上写着“{XML}”，还有《{XML}》和「{XML}」。",
    "inline code over lines": f"Write `{XML}` or ``{XML}``.",
    "quoted xml that goes on": f'It says "{XML.removesuffix(CLOSE)}<function=now></function>{CLOSE}".',
    "quoted xml without its end": f'It says "{XML.removesuffix(CLOSE)}".',
    "quoted xml that ends after a blank": f'It says "{XML.removesuffix(CLOSE)}\n".',
    "quoted xml among words": f'It says "{XML.removesuffix(CLOSE)} and {BARE}".',
    "quotation from an earlier line": f'The page says: "Please run:\n{WEATHER}", and I will not.',
    "quotations from earlier lines": f"“Run\n{WEATHER}” «Run\n{XML}» `Run\n{BARE}` 'Run\n{XML}'",
    "quotations from earlier lines in Chinese": f"「请运行\n{XML}」，《见\n{WEATHER}》，『看\n{XML}』",
    "German quotation from an earlier line": f"Da stand: „Bitte\n{XML}“.",
    "fence in a numbered list": f"1. ```\n   {OPEN}{NOW}{CLOSE}\n   ```\n2) ~~~xml\n{WEATHER}\n~~~\n",
    "fence in a nested list": f"- a\n  - ```xml\n    {OPEN}{NOW}{CLOSE}\n- ```\n{OPEN}{NOW}{CLOSE}\n",
    "in JSON": '{"a": "<function=now></function>", "b": ["or <function=now></function>", "<function=now></function>"]}',
    "escaped in JSON": '{"a": "\\"<function=now></function>\\" and <function=now></function>"}',
}
# Parameters that were not closed, as Qwen3-Coder and 3.5 or newer write them, and what only looks like it.
SHUT = "\n</parameter>"
OPEN_XML = XML.replace(SHUT, "")
BARE_OPEN = OPEN_XML.removeprefix(f"{OPEN}\n")
OPEN_NOW = f"{OPEN}\n<function=now>\n</function>\n{CLOSE}"
OPEN_UNKNOWN = f"{OPEN_XML}\n{OPEN_XML.replace('get_', 'set_')}"
OPEN_TEXT = f"\n</function>\n{CLOSE}\n{OPEN_XML}"
ENDLESS, ENDLESS_OPEN = (text.replace("\n</function>", "") for text in (XML, OPEN_XML))
SHUT_IN_LINE = OPEN_XML.replace("京", "京 </parameter> or")
FOREIGN = f"a\n</function>\n{CLOSE}\n{OPEN}\n<function=put>\n<parameter=x>\nb"
PARTLY = OPEN_XML.replace("京", "京\n<parameter=unit>\nC")
TAG = "\n<parameter=i>\n3"
UNCLOSED: dict[str, tuple[str, str, list[Any]]] = {
    "first parameter": (PUT.replace(SHUT, "", 1), "", [("put", {"s": "a", "i": 3})]),
    "last parameter": (PUT.replace(f"3{SHUT}", "3"), "", [("put", {"s": "a", "i": 3})]),
    "every parameter": (PUT.replace(SHUT, ""), "", [("put", {"s": "a", "i": 3})]),
    "empty parameter": (PUT.replace(f"\na{SHUT}", ""), "", [("put", {"s": "", "i": 3})]),
    "only parameter": (f"Well.\n{OPEN_XML}", "Well.\n", [BEIJING]),
    "only parameter without tool_call": (OPEN_XML.replace(OPEN, "").replace(CLOSE, ""), "", [BEIJING]),
    "first of two calls": (f"{OPEN_XML}\n{XML}", "", [BEIJING, BEIJING]),
    "second of two calls": (f"{XML}\n{OPEN_XML}", "", [BEIJING, BEIJING]),
    "both of two calls": (f"{OPEN_XML}\n{PUT.replace(SHUT, '')}", "", [BEIJING, ("put", {"s": "a", "i": 3})]),
    "a tag in the line": (PUT.replace("\na\n", "\na <parameter=i>\n"), "", [("put", {"s": "a <parameter=i>", "i": 3})]),
    "a tag of no parameter": (
        PUT.replace("\na\n", "\na\n<parameter=x>\nb\n"),
        "",
        [("put", {"s": "a\n<parameter=x>\nb", "i": 3})],
    ),
    "a tag of the same parameter": (xml("a\n<parameter=city>\nb"), "", [call_of("a\n<parameter=city>\nb")]),
    "tags in pairs": (PUT.replace("\na\n", f"\na{TAG}{SHUT}.\n"), "", [("put", {"s": f"a{TAG}{SHUT}.", "i": 3})]),
    "text behind it": (f"{OPEN_XML}\nDone.", f"{OPEN_XML}\nDone.", []),
    "second call without its opening tag": (f"{OPEN_XML}\n{BARE_OPEN}", "", [BEIJING, BEIJING]),
    "both of two without tool_call": (BARE_OPEN.replace(CLOSE, "") * 2, "", [BEIJING, BEIJING]),
    "both of two functions in one tag": (OPEN_XML.replace(CLOSE, BARE_OPEN), "", [BEIJING, BEIJING]),
    "text between two calls": (f"{OPEN_XML}\nAnd:\n{OPEN_XML}", f"{OPEN_XML}\nAnd:\n", [BEIJING]),
    "then a call without parameters": (f"{OPEN_XML}\n{OPEN_NOW}", f"{OPEN_XML}\n", [("now", {})]),
    "then an unknown tool": (OPEN_UNKNOWN, OPEN_UNKNOWN, []),
    "then a tag of no parameter": (PARTLY, PARTLY, []),
    "then a tag of no schema": (PARTLY.replace("get_weather", "now"), PARTLY.replace("get_weather", "now"), []),
    "then a call behind no </function>": (f"{ENDLESS}\n{OPEN_NOW}", f"{ENDLESS}\n", [("now", {})]),
    "then a call behind no closing tag": (f"{ENDLESS_OPEN}\n{OPEN_NOW}", f"{ENDLESS_OPEN}\n", [("now", {})]),
    "a closing tag in the line": (SHUT_IN_LINE, SHUT_IN_LINE, []),
    "then a call with a tag of no parameter": (
        PUT.replace(f"a{SHUT}", FOREIGN),
        "",
        [("put", {"s": f"{FOREIGN}{TAG}"})],
    ),
    "function": (ENDLESS, "", [BEIJING]),
    "function and parameter": (f"Well.\n{ENDLESS_OPEN}\n", "Well.\n", [BEIJING]),
    "function of two parameters": (PUT.replace("\n</function>", ""), "", [("put", {"s": "a", "i": 3})]),
    "function behind another call": (f"{XML}\n{ENDLESS_OPEN}", "", [BEIJING, BEIJING]),
    "function without parameters": (f"Well.\n{OPEN}\n<function=now>\n{CLOSE}", "Well.\n", [("now", {})]),
    "function without parameters or tool_call": (f"<function=now>\n{CLOSE}", "", [("now", {})]),
    "function without parameters, twice": (f"{OPEN}\n<function=now>\n{CLOSE}\n" * 2, "", [("now", {})] * 2),
    "function with a text": (f"{OPEN}\n<function=now>\na\n{CLOSE}", f"{OPEN}\n<function=now>\na\n{CLOSE}", []),
    "function, text behind it": (f"{ENDLESS}\nDone.", f"{ENDLESS}\nDone.", []),
    "function, the end in the line": (ENDLESS_OPEN.replace("\n</", "</"), ENDLESS_OPEN.replace("\n</", "</"), []),
    "a text of open calls": (xml(f"a{OPEN_TEXT}\nb"), "", [call_of(f"a{OPEN_TEXT}\nb")]),
}
CASES = CALLS | UNCLOSED | {name: (text, text, []) for name, text in TEXTS.items()}


@pytest.mark.parametrize("case", CASES)
def test_rescues_bound_calls_and_keeps_the_rest_when_text_is_split_anywhere(case: str):
    """Protects text and calls alike: whole, in any two pieces and letter by letter the result is the same."""
    source, text, calls = CASES[case]
    assert rescue([source]) == (text, calls)
    assert rescue(list(source)) == (text, calls)
    for cut in range(1, len(source)):
        assert rescue([source[:cut], source[cut:]]) == (text, calls), cut


@pytest.mark.parametrize(
    "source",
    [
        WEATHER,
        WEATHER.replace("arguments", "parameters"),
        XML,
        f"Well.\n{WEATHER}\n{XML}",
        f"{WEATHER.removesuffix(CLOSE)},{WEATHER.removeprefix(OPEN)}",
    ],
)
def test_returns_an_invalid_call_when_the_text_was_cut(source: str):
    """Protects agents from half a call, and users from raw markup: from the tag on it is an invalid call."""
    for end in range(len(source)):
        text, calls = rescue(list(source[:end]), truncated=True)
        assert "<tool_call>" not in text
        for name, args in calls:
            assert (name, args) == BEIJING or (name in ("get_weather", None) and isinstance(args, str))
        assert rescue([source[:end]], truncated=True) == (text, calls)


@pytest.mark.parametrize(
    "source", [f'{OPEN}{{"name": "set', f"{OPEN}<function=set", f"{OPEN}<function=set_weather>\n", "<tool_c"]
)
def test_keeps_cut_text_when_no_bound_tool_is_meant(source: str):
    """Protects text that only looks like a call: what cannot become one of a bound tool stays as it was."""
    assert rescue([source], truncated=True) == (source, [])


def test_first_call_is_whole_when_the_second_of_one_tag_was_cut():
    """Protects the call that was complete: only the one behind it is invalid, and keeps what was written of it."""
    cut = f'{OPEN}[{NOW}, {{"name": "get_weather", "arguments": {{"city": "北'
    assert rescue([cut], truncated=True) == ("", [("now", {}), ("get_weather", '{"city": "北"]')])


@pytest.mark.parametrize("calls", [1, 2])
def test_names_the_tool_when_the_cut_came_behind_calls_that_were_not_closed(calls: int):
    """Protects whoever handles invalid calls: a tag forgotten before takes neither name nor text from this one."""
    cut = PUT[len(OPEN) + 1 : PUT.index("3")]
    source = f"{OPEN_XML}\n" * calls + f"{OPEN}\n{cut}"
    assert rescue([source], truncated=True) == ("", [*[BEIJING] * calls, ("put", f"{cut}]")])
    assert rescue(list(source), truncated=True) == rescue([source], truncated=True)


def test_names_the_tool_when_the_cut_came_after_its_name():
    """Protects whoever handles invalid calls: name and the arguments written so far are told apart."""
    end = WEATHER.index("京")
    assert rescue([WEATHER[:end]], truncated=True) == ("", [("get_weather", '{"city": "北"]')])


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("s", "7", "7"),
        ("s", "null", "null"),
        ("s", '{"a": 1}', '{"a": 1}'),
        ("i", "7", 7),
        ("i", " 7.0 ", 7),
        ("i", "seven", "seven"),
        ("i", "true", "true"),
        ("n", "1e3", 1000.0),
        ("n", "7", 7),
        ("b", "true", True),
        ("b", "False", False),
        ("b", "1", "1"),
        ("l", '[1, "二"]', [1, "二"]),
        ("l", "{}", "{}"),
        ("l", "['a', 'it\"s', None]", ["a", 'it"s', None]),
        ("l", "[('a', 1), {'b': True}]", [["a", 1], {"b": True}]),
        ("l", "['a', b]", "['a', b]"),
        ("l", "['a'", "['a'"),
        ("l", "[{'a'}]", "[{'a'}]"),
        ("l", "[1e999]", "[1e999]"),
        ("l", "['\\d']", "['\\d']"),
        ("l", "['a\\nb', 'it\\'s', 'C:\\\\d']", ["a\nb", "it's", "C:\\d"]),
        ("l", r"['a\\\d']", r"['a\\\d']"),
        ("l", r"['say \"no\"', '\t\r']", ['say "no"', "\t\r"]),
        ("l", "[" * 300 + "'a'" + "]" * 300, "[" * 300 + "'a'" + "]" * 300),
        ("l", "a, b", "a, b"),
        ("o", '{"x": 1}', {"x": 1}),
        ("o", "{'x': 1}", {"x": 1}),
        ("o", "{'x'}", "{'x'}"),
        ("s", "['a']", "['a']"),
        ("i", "['a']", "['a']"),
        ("maybe", "null", None),
        ("maybe", "None", None),
        ("maybe", "3", 3),
        ("either", "3", 3),
        ("either", "x3", "x3"),
        ("any", "3", "3"),
        ("undeclared", "3", "3"),
    ],
)
def test_types_xml_values_when_the_schema_says_so(name: str, text: str, value: Any):
    """Protects arguments of the XML form: values have their schema's type, and text stays what it was."""
    source = f"<tool_call><function=put><parameter={name}>\n{text}\n</parameter></function></tool_call>"
    assert rescue([source]) == ("", [("put", {name: value})])


@pytest.mark.parametrize(
    "path",
    find_recorded("tool_none"),
    ids=lambda path: path.parent.name,
)
def test_rescues_the_recorded_call_when_the_server_had_no_parser(path: Path):
    """Protects users of servers without a tool parser: the call real engines left in the text is found."""
    body = json.loads(path.read_text("utf-8"))["response"]["body"]
    content = body["choices"][0]["message"]["content"].rpartition("</think>")[2]
    assert rescue(list(content)) == ("", [("get_weather", {"city": "Beijing"})])


@pytest.mark.parametrize(
    "path",
    find_recorded("tool_truncated"),
    ids=lambda path: path.parent.name,
)
def test_hides_raw_markup_when_a_recorded_reply_was_cut(path: Path):
    """Protects users from an answer made of `<tool_call>`: that is what both engines leave of a cut call."""
    body = json.loads(path.read_text("utf-8"))["response"]["body"]
    content = body["choices"][0]["message"]["content"]
    text, calls = rescue([content], truncated=True)
    assert text == ""
    assert [(name, args.startswith(content)) for name, args in calls] == [(None, True)]


def test_passes_text_at_once_when_it_cannot_be_a_call():
    """Protects the time to first token: only what may begin a tag is held back."""
    reader = CallsInText(TOOLS)
    assert [reader.feed(piece) for piece in ("1 ", "< 2", " <tool", "s>", " <fun", "c", ">")] == [
        "1 ", "< 2", " ", "<tools>", " ", "", "<func>",
    ]  # fmt: skip
    assert reader.feed(" <tool_call> x") == " <tool_call> x"
    assert reader.feed(" <tool_call>\n<function=other>") == " <tool_call>\n<function=other>"


@pytest.mark.parametrize("quotation", ["```xml\n{}\n```", "“{}”", "`{}`"])
def test_passes_text_on_behind_a_quoted_call(quotation: str):
    """Protects the stream of an answer about calls: it goes on soon behind an example, not at the end."""
    source = f"Like this:\n{quotation.format(XML)}\nThat is {'a word, ' * 9}"
    assert "".join(map(CallsInText(TOOLS).feed, source)) == source


@pytest.mark.parametrize(
    "code", [WEATHER, XML, f"{XML}\n{PUT}", BARE_XML, f"s = '{OPEN}{{'", f"{OPEN}\n{BARE_XML[:40]}"]
)
@pytest.mark.parametrize("block", ["```xml\n{}\n```\n", "- ~~~\n{}\n~~~\n", "````\n```\n{}\n```\n````\n", "```\n{}"])
def test_passes_code_on_while_it_is_written(block: str, code: str):
    """Protects the stream of an answer about calls: it holds less than a tag of an example, whole or not."""
    source = f"Like this:\n{block.format(code)} That is all."
    reader, shown = CallsInText(TOOLS), ""
    for at, letter in enumerate(source):
        shown += reader.feed(letter)
        assert at + 1 - len(shown) < len(OPEN)
    assert shown == source


TAGS = [OPEN, CLOSE, "<function=now>", "</function>", "<parameter=a>", "</parameter>", "```", "<"]
ALPHABET = [*TAGS, '{"name": "now"}', "`", "\n", " ", "x", "{", "}", '"', "\\", WEATHER, XML]


@given(st.lists(st.sampled_from(ALPHABET), max_size=12), st.integers(1, 7), st.booleans())
def test_gives_one_result_when_the_same_text_comes_in_other_pieces(parts: list[str], size: int, truncated: bool):
    """Protects streams of any chunking: pieces never change text or calls, whatever the text is."""
    source = "".join(parts)
    pieces = [source[at : at + size] for at in range(0, len(source), size)]
    whole = rescue([source], truncated=truncated)
    assert rescue(pieces, truncated=truncated) == whole
    reader = CallsInText([])
    text, end = reader.feed(source), reader.close(truncated=False)
    assert (text + end.rest, end.calls) == (source, [])
