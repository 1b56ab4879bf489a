"""Odd replies of the world, one row each: what a good wire becomes on some server, and what has to come of it.

Adding tomorrow's bug report is adding a row to `ODDITIES`. `tests/integration/test_oddities.py` serves every row over
the recordings below and asks in all six ways: the message has to be that of the good wire, or the named error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.support.replies import load

Event = dict[str, Any]
DONE = b"data: [DONE]\n\n"
SSE = "text/event-stream"
JSON = "application/json"
PAIRS = ("vllm-parsers/plain_default", "llama-format-none/plain_default", "vllm-parsers/tool_auto")
"""Reasoning in a field of its own, reasoning between tags, and a call; each recorded whole and streamed."""

SAID = frozenset({"content", "reasoning", "calls", "invalid", "finish", "usage"})


@dataclass(frozen=True, kw_only=True)
class Oddity:
    """One oddity.

    Attributes:
        name: What is odd.
        who: Which server or gateway sends it, with its report.
        stream: From the events of a good stream to the body that is sent; None: streams are not odd here.
        whole: From a good reply to the body that is sent; None: whole replies are not odd here.
        label: Content type of the odd body; None for the right one.
        raises: Name of the error class that has to come in place of a message.
        words: What the error's text has to say.
        differs: Facts of the message that cannot be those of the good wire.
        fields: Fields of the model.
        pairs: The recordings it makes sense for.
    """

    name: str
    who: str
    stream: Callable[[list[Event]], bytes] | None = None
    whole: Callable[[Event], bytes] | None = None
    label: str | None = None
    raises: str | None = None
    words: str = ""
    differs: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    pairs: tuple[str, ...] = PAIRS


def load_pair(name: str) -> tuple[list[Event], Event, list[Any]]:
    """Return the events of a recorded stream, the whole reply to the same question, and the tools of both."""
    recording, whole = load(f"{name}_stream"), load(name)
    lines = (recording.stream or b"").split(b"\n")
    events = [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]
    return events, whole.body or {}, recording.request.get("tools", [])


def write(value: Any, *, ascii_only: bool = False) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=ascii_only).encode()


def sse(events: list[Any], *, lead: bytes = b"data: ", end: bytes = b"\n\n", done: bytes = DONE) -> bytes:
    """Return events as a stream; what is bytes already is sent as it is."""
    return b"".join(event if isinstance(event, bytes) else lead + write(event) + end for event in events) + done


def edit(change: Callable[[Event, int], Event | None], **frame: Any) -> Callable[[list[Event]], bytes]:
    """Return a stream whose choices are changed; `change` takes a choice and its number, None keeps it as edited."""

    def odd(events: list[Event]) -> bytes:
        events = deepcopy(events)
        for number, event in enumerate(events):
            event["choices"] = [change(choice, number) or choice for choice in event["choices"]]
        return sse(events, **frame)

    return odd


def edit_delta(change: Callable[[Event], object]) -> Callable[[list[Event]], bytes]:
    """Return a stream whose deltas are changed in place."""

    def odd(choice: Event, _number: int) -> None:
        change(choice["delta"])

    return edit(odd)


def edit_message(change: Callable[[Event], object]) -> Callable[[Event], bytes]:
    """Return a whole reply whose message is changed in place."""

    def odd(body: Event) -> bytes:
        body = deepcopy(body)
        change(body["choices"][0]["message"])
        return write(body)

    return odd


def both(change: Callable[[Event], object]) -> dict[str, Any]:
    """Return the two functions of an oddity that deltas and messages share."""
    return {"stream": edit_delta(change), "whole": edit_message(change)}


# -- texts ---------------------------------------------------------------------------------------------------------


def rename_reasoning(message: Event, *, key: str, wrap: Callable[[str], Any] = str) -> None:
    """Move the reasoning to another key, in another form."""
    for old in ("reasoning", "reasoning_content"):
        if text := message.pop(old, None):
            message[key] = wrap(text)


def put_details(message: Event) -> None:
    """Give the reasoning in OpenRouter's details alone."""
    rename_reasoning(
        message,
        key="reasoning_details",
        wrap=lambda text: [{"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}],
    )


def wrap_content(message: Event, *, wrap: Callable[[str], Any]) -> None:
    """Give the content in another form."""
    if message.get("content"):
        message["content"] = wrap(message["content"])


def drop_reasoning(message: Event) -> None:
    """Drop the reasoning and the newlines behind it, as gateways do that know OpenAI's fields alone."""
    if message.get("content"):
        message["content"] = message["content"].lstrip("\n")
    for key in ("reasoning", "reasoning_content"):
        message.pop(key, None)


# -- calls ---------------------------------------------------------------------------------------------------------


def edit_calls(change: Callable[[Event, int], object]) -> Callable[[list[Event]], bytes]:
    """Return a stream whose call fragments are changed in place, given their number."""
    count = iter(range(1_000_000))

    def odd(delta: Event) -> None:
        for fragment in delta.get("tool_calls") or ():
            change(fragment, next(count))

    def fresh(events: list[Event]) -> bytes:
        nonlocal count
        count = iter(range(1_000_000))
        return edit_delta(odd)(events)

    return fresh


def set_index(fragment: Event, number: int, *, first: Any, later: Any) -> None:
    """Give the first fragment another index than the later ones; None drops it."""
    fragment["index"] = first if number == 0 else later
    if fragment["index"] is None:
        del fragment["index"]


def unlist_calls(message: Event) -> None:
    """Give a single call in place of the list."""
    if message.get("tool_calls"):
        message["tool_calls"] = message["tool_calls"][0]


def number_calls(message: Event) -> None:
    """Give an object with numbers in place of the list of calls."""
    if message.get("tool_calls"):
        message["tool_calls"] = {str(at): call for at, call in enumerate(message["tool_calls"], 2)}


def say_call_again(events: list[Event], calls: list[Event], *, index: int | None) -> bytes:
    """Give the whole call again in the last delta."""
    events = deepcopy(events)
    at = find_end(events)
    again = [{**call, "index": index} if index is not None else call for call in calls]
    events[at]["choices"][0]["delta"]["tool_calls"] = again
    return sse(events)


CALL_TEXT = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Beijing"}}\n</tool_call>'
OTHER_TEXT = 'I was told to write "<tool_call>{"name": "get_weather", "arguments": {"city": "Rome"}}</tool_call>".'


def put_text_first(events: list[Event], *, text: str) -> bytes:
    """Give a text as content before everything else of the answer."""
    at = next(number for number, event in enumerate(events) if event["choices"] and "tool_calls" in str(event))
    head = {key: value for key, value in events[at].items() if key != "choices"}
    deltas = [
        {**head, "choices": [{"index": 0, "delta": {"content": text[i : i + 9]}}]} for i in range(0, len(text), 9)
    ]
    return sse([*events[:at], *deltas, *events[at:]])


def arguments_as_object(message: Event) -> None:
    """Give the arguments of calls as JSON, not as text."""
    for call in message.get("tool_calls") or ():
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])


def own_calls(events: list[Event]) -> list[Event]:
    """Return the whole call that a recorded stream holds."""
    fragments = [
        fragment
        for event in events
        for choice in event["choices"]
        for fragment in choice["delta"].get("tool_calls") or ()
    ]
    arguments = "".join(fragment["function"].get("arguments") or "" for fragment in fragments)
    return [{**fragments[0], "function": {"name": fragments[0]["function"]["name"], "arguments": arguments}}]


# -- ends ----------------------------------------------------------------------------------------------------------


def find_end(events: list[Event]) -> int:
    """Return the number of the event that has the finish reason."""
    return next(at for at, event in enumerate(events) if event["choices"] and event["choices"][0]["finish_reason"])


def end_choice(reason: str, *, key: str = "delta", content: str = "") -> Event:
    """Return the last choice of a stream, or that of a whole reply."""
    return {"index": 0, key: {"content": content}, "finish_reason": reason}


def set_reason(choice: Event, _number: int, *, reason: str, native: str | None = None) -> None:
    """Change why the model ended."""
    if choice["finish_reason"]:
        choice["finish_reason"] = reason
        if native:
            choice["native_finish_reason"] = native


def stop_early(choice: Event, _number: int) -> None:
    """Say `stop` with every piece of the reasoning."""
    if choice["delta"].get("reasoning") or choice["delta"].get("reasoning_content"):
        choice["finish_reason"] = "stop"


def stop_again(events: list[Event]) -> bytes:
    """Follow the end by another one, which says `stop`."""
    events = deepcopy(events)
    at = find_end(events)
    events[at]["choices"][0]["finish_reason"] = "length"
    choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
    return sse([*events[: at + 1], {**events[at], "choices": [choice]}, *events[at + 1 :]])


def put_before_end(events: list[Event], *more: Any, done: bytes = DONE) -> bytes:
    """Put events, or bytes, in the place of the end and of all behind it."""
    return sse([*events[: find_end(events)], *more], done=done)


def set_index_by_count(choice: Event, number: int) -> None:
    """Count the chunks by the index of their choice."""
    choice["index"] = number


def add_to_events(events: list[Event], **fields: Any) -> bytes:
    """Give every event more fields."""
    return sse([{**event, **fields} for event in events])


EMPTY_ERROR = {"message": "", "type": "", "param": "", "code": None}
OVERLOADED = {"error": {"message": "upstream overloaded", "type": "upstream_error", "code": 429}}
OPENING = {"model": "Qwen/Qwen3.5-9B"}
PLAIN, INLINE, CALLS = PAIRS

ODDITIES = (
    # framing
    Oddity(name="CRLF", who="gateways on Windows", stream=lambda e: sse(e).replace(b"\n", b"\r\n")),
    Oddity(name="no space", who="Go gateways", stream=partial(sse, lead=b"data:")),
    Oddity(
        name="a byte order mark",
        who=".NET gateways",
        stream=lambda e: b"\xef\xbb\xbf" + sse(e),
        whole=lambda b: b"\xef\xbb\xbf" + write(b),
    ),
    Oddity(name="no blank lines", who="hand-written proxies", stream=partial(sse, end=b"\n")),
    Oddity(
        name="[DONE] glued on",
        who="proxies that join chunks",
        stream=lambda e: sse(e, done=b"")[:-2] + DONE,
        whole=lambda b: write(b) + b"\n\n" + DONE,
    ),
    Oddity(name="no [DONE]", who="transformers serve", stream=partial(sse, done=b"")),
    Oddity(name="no end of the last event", who="cut proxies", stream=lambda e: sse(e, done=b"")[:-2]),
    Oddity(name="comments", who="OpenRouter", stream=lambda e: sse([b": OPENROUTER PROCESSING\n\n", *e])),
    Oddity(
        name="comments as data",
        who="gateways before OpenRouter: llm-gateway#2053",
        stream=lambda e: sse([b"data: : OPENROUTER PROCESSING\n\n", *e[:2], b"data: ping\n\n", *e[2:]]),
    ),
    Oddity(name="names and ids", who="standard servers", stream=partial(sse, lead=b"event: message\nid: 1\ndata: ")),
    Oddity(
        name="only ASCII",
        who="Python servers",
        stream=lambda e: b"".join(b"data: " + write(x, ascii_only=True) + b"\n\n" for x in e) + DONE,
    ),
    Oddity(
        name="a bad byte",
        who="gateways that cut UTF-8",
        stream=lambda e: sse(e).replace(b'"object"', b'"note": "\xff", "object"'),
        whole=lambda b: write({**b, "note": "X"}).replace(b'"X"', b'"\xff"'),
    ),
    Oddity(name="a stream for a whole reply", who="sub2api#2826", whole=lambda b: sse([b]), label=SSE),
    Oddity(name="a stream labelled JSON", who="openclaw#97474", stream=sse, whole=lambda b: sse([b]), label=JSON),
    Oddity(name="a stream without a label", who="loreai#605", stream=sse, whole=lambda b: sse([b]), label=""),
    Oddity(name="JSON labelled a stream", who="proxies with one label", whole=write, label=SSE),
    Oddity(name="lines of JSON", who="Ollama's own form", stream=partial(sse, lead=b"", end=b"\n", done=b"")),
    # fields
    Oddity(name="an index that counts", who="foundry-local#263", stream=edit(set_index_by_count)),
    Oddity(
        name="an empty error",
        who="one-api",
        stream=partial(add_to_events, error=EMPTY_ERROR),
        whole=lambda b: write({**b, "error": EMPTY_ERROR}),
    ),
    Oddity(
        name="a null error",
        who="Go gateways",
        stream=partial(add_to_events, error=None),
        whole=lambda b: write({**b, "error": None}),
    ),
    Oddity(name="role in every delta", who="ms-swift", stream=edit_delta(lambda delta: delta.update(role="assistant"))),
    Oddity(name="reasoning_content", who="DeepSeek's name", **both(partial(rename_reasoning, key="reasoning_content"))),
    Oddity(name="thinking", who="proxies before Ollama", **both(partial(rename_reasoning, key="thinking"))),
    Oddity(
        name="reasoning as an object",
        who="gateways",
        **both(partial(rename_reasoning, key="reasoning", wrap=lambda text: {"content": text})),
    ),
    Oddity(name="reasoning in details alone", who="OpenRouter: openclaw#66929", **both(put_details)),
    Oddity(
        name="content as an object",
        who="gateways",
        **both(partial(wrap_content, wrap=lambda text: {"type": "text", "text": text})),
    ),
    Oddity(
        name="content as parts",
        who="Mistral's form",
        **both(partial(wrap_content, wrap=lambda text: [{"type": "text", "text": text}])),
    ),
    Oddity(
        name="no reasoning field",
        who="proxies that drop it: litellm#26501",
        **both(drop_reasoning),
        differs={"reasoning": None},
        fields=OPENING,
        pairs=(PLAIN, CALLS),
    ),
    Oddity(
        name="no reasoning field, left out",
        who="the same, and nobody wants to see it",
        **both(drop_reasoning),
        differs={"reasoning": None},
        fields={**OPENING, "return_reasoning": False},
        pairs=(PLAIN, CALLS),
    ),
    # calls
    Oddity(
        name="an id that changes", who="pool#9", stream=edit_calls(lambda f, n: f.update(id=f"id-{n}")), pairs=(CALLS,)
    ),
    Oddity(
        name="an index as text",
        who="proxies: litellm#28223",
        stream=edit_calls(partial(set_index, first="0", later=0)),
        pairs=(CALLS,),
    ),
    Oddity(
        name="an index that drifts",
        who="vLLM's parsers",
        stream=edit_calls(partial(set_index, first=1, later=0)),
        pairs=(CALLS,),
    ),
    Oddity(
        name="no index", who="ms-swift", stream=edit_calls(partial(set_index, first=None, later=None)), pairs=(CALLS,)
    ),
    Oddity(name="a call that is no list", who="gateways", **both(unlist_calls), pairs=(CALLS,)),
    Oddity(name="calls as an object", who="PHP: laravel/ai#473", **both(number_calls), pairs=(CALLS,)),
    Oddity(name="arguments as an object", who="Ollama's form", whole=edit_message(arguments_as_object), pairs=(CALLS,)),
    Oddity(
        name="a call said again",
        who="gateways",
        stream=lambda e: say_call_again(e, own_calls(e), index=0),
        pairs=(CALLS,),
    ),
    Oddity(
        name="a call said again, no index",
        who="gateways",
        stream=lambda e: say_call_again(e, own_calls(e), index=None),
        pairs=(CALLS,),
    ),
    Oddity(
        name="a call and its text",
        who="ms-swift, mistral.rs#2427, LocalAI#10346, mlx-vlm#1037",
        stream=partial(put_text_first, text=CALL_TEXT),
        whole=edit_message(lambda message: message.update(content=CALL_TEXT)),
        pairs=(CALLS,),
    ),
    Oddity(
        name="a call and another one in prose",
        who="a page that the model quotes",
        stream=partial(put_text_first, text=OTHER_TEXT),
        whole=edit_message(lambda message: message.update(content=OTHER_TEXT)),
        differs={"content": OTHER_TEXT},
        pairs=(CALLS,),
    ),
    # ends
    Oddity(name="stop with the reasoning", who="open-webui#16377", stream=edit(stop_early), pairs=(PLAIN, CALLS)),
    Oddity(name="length, then stop", who="Xinference 4.1", stream=stop_again, differs={"finish": "length"}),
    Oddity(
        name="abort",
        who="vLLM: vllm#57082",
        stream=edit(partial(set_reason, reason="abort")),
        differs={"finish": "abort"},
    ),
    Oddity(
        name="a network error behind stop",
        who="OpenRouter: hax#15",
        stream=edit(partial(set_reason, reason="stop", native="network_error")),
        differs={"finish": "network_error"},
    ),
    Oddity(name="[DONE] without a reason", who="llama-cpp-python", stream=put_before_end, raises="StreamCutError"),
    Oddity(
        name="no end at all", who="lost connections", stream=partial(put_before_end, done=b""), raises="StreamCutError"
    ),
    # errors
    Oddity(
        name="an error in the stream",
        who="vLLM",
        stream=lambda e: put_before_end(e, OVERLOADED),
        raises="Qwen3RateLimitError",
        words="upstream overloaded",
    ),
    Oddity(
        name="an error without a frame",
        who="bifrost#5262",
        stream=lambda e: put_before_end(e, write(OVERLOADED) + b"\n\n"),
        raises="Qwen3RateLimitError",
        words="upstream overloaded",
    ),
    Oddity(
        name="an error beside a delta",
        who="OpenRouter",
        stream=lambda e: put_before_end(e, {**e[find_end(e)], **OVERLOADED}),
        raises="Qwen3RateLimitError",
        words="upstream overloaded",
    ),
    Oddity(
        name="an error beside choices",
        who="OpenRouter: its last event has both",
        stream=lambda e: put_before_end(e, {"choices": [end_choice("error")], **OVERLOADED}),
        whole=lambda b: write({**b, **OVERLOADED}),
        raises="Qwen3RateLimitError",
        words="upstream overloaded",
    ),
    Oddity(
        name="an error in a choice",
        who="OpenRouter",
        stream=lambda e: put_before_end(e, {"choices": [{**end_choice("error"), **OVERLOADED}]}),
        whole=lambda b: write({**b, "choices": [{**b["choices"][0], **OVERLOADED}]}),
        raises="Qwen3RateLimitError",
        words="upstream overloaded",
    ),
    Oddity(
        name="an error in a choice of its own words",
        who="DashScope",
        stream=lambda e: put_before_end(e, {"choices": [end_choice("error_finish", content="upstream overloaded")]}),
        whole=lambda b: write(
            {**b, "choices": [end_choice("error_finish", key="message", content="upstream overloaded")]}
        ),
        raises="Qwen3ServerError",
        words="overloaded",
    ),
    Oddity(
        name="an error that came first",
        who="vLLM",
        stream=lambda _: sse([OVERLOADED]),
        raises="Qwen3RateLimitError",
        words="upstream overloaded",
    ),
    *(
        Oddity(
            name=f"an error as {name}",
            who=who,
            stream=lambda e, body=body: put_before_end(e, body),
            whole=lambda _, body=body: write(body),
            raises="Qwen3RateLimitError",
            words="upstream overloaded",
            pairs=PAIRS[:1],
        )
        for name, who, body in (
            ("a text", "Ollama", {"error": "upstream overloaded: too many requests"}),
            ("a list", "Cloudflare", {"errors": [{"message": "upstream overloaded", "code": 429}]}),
            ("error_code", "Baidu", {"error_code": 18, "error_msg": "upstream overloaded, qps limit reached"}),
            ("code and msg", "gateways", {"code": 429, "msg": "upstream overloaded"}),
            ("a detail", "FastAPI", {"detail": "upstream overloaded: too many requests"}),
            ("an error of its own type", "SGLang", {"object": "error", "message": "upstream overloaded", "code": 429}),
        )
    ),
    Oddity(
        name="an error in place of a reply",
        who="gateways that answer 200",
        stream=lambda _: write(OVERLOADED),
        whole=lambda _: write(OVERLOADED),
        label=JSON,
        raises="Qwen3RateLimitError",
        words="upstream overloaded",
    ),
    Oddity(
        name="null",
        who="LiteLLM",
        stream=lambda _: b"null",
        whole=lambda _: b"null",
        label=JSON,
        raises="BadReplyError",
    ),
    *(
        Oddity(
            name=f"usage of {name}",
            who="nobody friendly",
            stream=partial(add_to_events, usage={"prompt_tokens": 1, "completion_tokens": count}),
            whole=lambda b, count=count: write({**b, "usage": {"prompt_tokens": 1, "completion_tokens": count}}),
            differs={"usage": None},
            pairs=PAIRS[:1],
        )
        for name, count in (
            ("400 digits", 10**400),
            ("less than nothing", -1),
            ("no number", float("nan")),
            ("no end", float("inf")),
            ("words", "many"),
            ("lists", [[[1]]]),
        )
    ),
    *(
        Oddity(
            name=f"{name} nested too deeply",
            who="nobody friendly",
            stream=lambda e, nested=nested: sse([*e[:2], b'data: {"choices": [], "x": ' + nested + b"}\n\n", *e[2:]]),
            whole=lambda b, nested=nested: write({**b, "x": "X"}).replace(b'"X"', nested),
            raises="BadReplyError",
            pairs=PAIRS[:1],
        )
        for name, nested in (
            ("lists", b"[" * 10_000 + b"]" * 10_000),
            ("objects", b'{"a":' * 700 + b"1" + b"}" * 700),
            ("brackets", b"[" * 100_000),
        )
    ),
    Oddity(
        name="a page",
        who="nginx",
        stream=lambda _: b"<html>wait</html>",
        whole=lambda _: b"<html>wait</html>",
        label="text/html",
        raises="BadReplyError",
        words="HTML",
    ),
)
