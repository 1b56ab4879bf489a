"""Derives outcomes from replies. Pure: a reader takes the evidence and the facts, and sends no requests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from langchain_qwen3.doctor.advice import (
    NAME_SERVER,
    Facts,
    advise_error,
    advise_log,
    advise_option,
    advise_thinking_off,
    advise_thinking_on,
    advise_update,
    find_named_flag,
    find_option,
)
from langchain_qwen3.doctor.findings import Outcome
from langchain_qwen3.doctor.probes import BUDGET, MAX_TOKENS
from langchain_qwen3.errors import (
    Qwen3AuthenticationError,
    Qwen3Error,
    Qwen3InvalidRequestError,
    Qwen3ServerError,
    Qwen3TimeoutError,
)
from langchain_qwen3.errors.causes import NEEDS_STREAM
from langchain_qwen3.profiles.think_tags import CLOSE_TAG, OPEN_TAG
from langchain_qwen3.reply.content_blocks import show_call
from langchain_qwen3.reply.ending import is_finished

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

    from langchain_qwen3.doctor.probes import Streamed, Together

FASTER = 1.5
"""Required speedup of concurrent calls over sequential ones; a GPU server reaches 5 or more with 8 calls."""

_MAX_QUOTE = 200
_PLACE = re.compile(r" \(https?://[^\s,]+(?:, model [^()]*)?\)$")  # in every error, but the diagnosis already shows it
_CALL_TAGS = ("<tool_call>", "<function=")
_BUDGET_SLACK = 16  # servers append a closing sentence to the thinking
_BURST, _FEW_BURST = 0.05, 0.2  # shares of the total time; the second where a few reads bring everything
_FASTEST = 1000  # chunks per second: no engine writes faster for one reader
_MANY_CHUNKS = 16
_BUNCH = 8  # a buffer of some kB holds more chunks than this; engines send a few at a time
_BUNCHED = 0.95  # share of the time between first and last chunk that passes between bunches
_LONG_STREAM = 1.0  # seconds: in a shorter stream a busy machine causes bunches, too
_END = 2  # tokens of a reply that says nothing: the end of the turn
_SHORT_REASONING = 60  # characters, so short that a budget of 10 tokens may not cut them


def read_error(error: Exception, flag: str, facts: Facts | None) -> Outcome:
    """Read a failed request.

    Args:
        error: The exception.
        flag: Key of `Dialect.flags` for the flag that the feature may need.
        facts: Facts about the server, None before it was reached.
    """
    cause, _, hint = str(error).partition("\n")
    cause = _PLACE.sub("", cause)
    if NEEDS_STREAM.search(cause):  # of the one request that is sent as it is: ChatQwen3 repeats others as streams
        return Outcome("unsure", "inconclusive: this model answers in streams only")
    if not isinstance(error, Qwen3Error):
        return Outcome("failed", _quote(f"{type(error).__name__}: {cause}"), advise_error(error, facts))
    if isinstance(error, Qwen3AuthenticationError) and (not hint or "$QWEN_API_KEY" in hint):
        hint = "Pass the server's key with --api-key (in Python api_key=), or set $QWEN_API_KEY."
    elif isinstance(error, Qwen3TimeoutError):
        hint = f"{hint} --timeout raises it.".strip()
    # If the server refuses the request or fails on it, the feature is missing; not if it is unreachable or overloaded.
    missing = isinstance(error, (Qwen3InvalidRequestError, Qwen3ServerError)) and facts
    if missing and (value := find_option(flag := find_named_flag(cause, missing) or flag, missing)):
        return Outcome("failed", _quote(cause), advise_option(flag, missing), flag=value)
    return Outcome("failed", _quote(cause), hint or advise_error(error, facts))


def read_server(facts: Facts) -> Outcome:
    """Read which server it is."""
    if facts.dialect.kind == "unknown":
        fix = f"{NAME_SERVER} if you know the server: then its own settings are used."
        return Outcome("unsure", "the server could not be identified", fix)
    if facts.dialect.kind == "gateway":
        fix = f"{NAME_SERVER} to the server behind it: then its own fields are sent."
        return Outcome("unsure", f"{facts.dialect.title}, which {facts.dialect.forwarding_note}", fix)
    version = f" {facts.version}" if facts.version else ", version not reported"
    return Outcome("ok", f"{facts.dialect.title}{version}")


def read_models(facts: Facts) -> Outcome:
    """Read which models are served, and their context length."""
    if not facts.models:
        return Outcome("unsure", "it lists no models")
    shown = ", ".join(
        f"{name} ({facts.contexts[name]:,} tokens)"
        if name in facts.contexts
        else f"{name} (context length not reported)"
        for name in (" ".join(name.split()) for name in facts.models[:5])  # a line break could forge a finding
    )
    more = f" and {len(facts.models) - 5} more" if len(facts.models) > 5 else ""  # noqa: PLR2004  # as shown above
    if facts.model in facts.models or facts.model in facts.contexts:
        return Outcome("ok", shown + more)
    fix = f'Use --model "{facts.models[0]}" (in Python model=).'
    return Outcome("failed", f"{facts.model} is not served; the server has {shown}{more}", fix)


def read_thinking_on(reply: Streamed, facts: Facts) -> Outcome:
    """Read whether the model thinks with thinking on."""
    if reasoning := _reasoning(reply.message):
        tokens = _reasoning_tokens(reply.message)
        size = f"{tokens:,} tokens" if tokens else f"{len(reasoning):,} characters"
        return Outcome("ok", f"{size} of reasoning")
    return Outcome("failed", "the reply has no reasoning", advise_thinking_on(facts))


def read_thinking_off(reply: AIMessage, facts: Facts) -> Outcome:
    """Read whether the model does not think with thinking off."""
    if not _reasoning(reply):
        return Outcome("ok", "no reasoning, as requested")
    return Outcome("failed", "it still thinks", advise_thinking_off(facts))


def read_budget(reply: AIMessage, free: Streamed, facts: Facts) -> Outcome:
    """Read whether the budget was kept, in comparison with the same question without a budget."""
    limit = max(BUDGET, facts.dialect.budget_range[0])
    used, unlimited = _reasoning(reply), _reasoning(free.message)
    tokens, free_tokens = _reasoning_tokens(reply), _reasoning_tokens(free.message)
    if len(unlimited) < _SHORT_REASONING or (free_tokens is not None and free_tokens <= limit + _BUDGET_SLACK):
        return Outcome("unsure", "inconclusive: it thinks too briefly without a budget")
    kept = tokens <= limit + _BUDGET_SLACK if tokens is not None else len(used) < len(unlimited) / 2
    if tokens is None or free_tokens is None:  # some servers count only in streams
        shown, shown_free = f"{len(used):,} characters", f"{len(unlimited):,} characters"
    else:
        shown, shown_free = f"{tokens:,} tokens", f"{free_tokens:,} tokens"
    seen = f"{shown} with a budget of {limit} tokens, {shown_free} without"
    if kept:
        return Outcome("ok", seen)
    return _fail(f"ignored: {seen}", "thinking_budget", facts)


def read_reasoning_field(body: Mapping[str, Any], facts: Facts) -> Outcome:
    """Read where the server puts the reasoning."""
    message = body["choices"][0].get("message") or {}
    field = next((key for key in ("reasoning_content", "reasoning") if str(message.get(key) or "").strip()), None)
    if field:
        return Outcome("ok", f'in its own field, "{field}"')
    content = str(message.get("content") or "")
    if OPEN_TAG in content or CLOSE_TAG in content or (content and facts.line is not None and facts.line.opens_think):
        detail = "inline, before the answer: ChatQwen3 removes it, other clients show it"
        return _fail(detail, "reasoning", facts)
    return Outcome("unsure", "inconclusive: the reply has no reasoning")


def read_streaming(reply: Streamed, facts: Facts) -> Outcome:
    """Read whether a stream arrives in pieces, and how soon it begins."""
    count = len(reply.moments)
    if not count:
        return Outcome("failed", "the stream contained no text", advise_log(facts))
    first, last = reply.moments[0], reply.moments[-1]
    size = len(reply.message.text) + len(_reasoning(reply.message))
    fix = "A proxy, or the server, buffers the stream: switch its buffering off (nginx: proxy_buffering off)."
    at_once = count == 1 and size > _SHORT_REASONING
    # A busy machine needs time between two reads, but a stream that was held back takes only a few reads.
    is_few = len({*reply.moments}) * _BUNCH <= count
    limit = last * _FEW_BURST if is_few else min(last * _BURST, count / _FASTEST)
    if at_once or (count >= _MANY_CHUNKS and last - first < limit):
        return Outcome("failed", f"{count} chunks all at once, after {last:.2f} s", fix)
    if _comes_in_bunches(reply.moments):
        detail = f"{count} chunks in bunches, the first after {_show_seconds(first)}"
        return Outcome("failed", detail, fix)
    rate = f", {(count - 1) / (last - first):,.0f} chunks/s" if last > first else ""
    return Outcome("ok", f"first token after {_show_seconds(first)}{rate}")


def _comes_in_bunches(moments: Sequence[float]) -> bool:
    """Return whether nearly all the time passed in a few long pauses, with many chunks after each."""
    seconds = moments[-1] - moments[0]
    pauses = sorted(later - earlier for earlier, later in pairwise(moments))
    longest = pauses[-(len(moments) // _BUNCH) :]
    return len(moments) >= _MANY_CHUNKS and seconds >= _LONG_STREAM and sum(longest) >= seconds * _BUNCHED


def read_stream_end(reply: Streamed, facts: Facts) -> Outcome:
    """Read whether a stream ends with a finish reason."""
    reason = reply.message.response_metadata.get("finish_reason")
    if reason:
        return Outcome("ok", f"with finish_reason {reason!r}")
    detail = "a stream ends without a finish_reason: a truncated one looks complete"
    return Outcome("failed", detail, advise_update(facts))


def read_tool_call(reply: AIMessage, facts: Facts, wanted: int = 1) -> Outcome:
    """Read whether the model called the tool of its own accord, as often as wanted."""
    shown = ", ".join(map(show_call, reply.tool_calls))
    if not reply.tool_calls or (reply.invalid_tool_calls and len(reply.tool_calls) < wanted):
        return _read_no_call(reply, facts)
    if not all(call["args"] for call in reply.tool_calls):
        return _fail(_quote(f"the arguments are missing: {shown}"), "tools", facts)
    if len(reply.tool_calls) > wanted or any(tag in reply.text for tag in _CALL_TAGS):
        return _read_surplus(reply, shown, facts)
    if len(reply.tool_calls) == wanted:
        return Outcome("ok", _quote(shown))
    return Outcome("unsure", _quote(f"only {shown}"), "A larger model may make both calls.")


def read_forced_call(reply: AIMessage, facts: Facts) -> Outcome:
    """Read whether a named tool was called."""
    outcome = read_tool_call(reply, facts)
    if outcome.status == "ok" and facts.dialect.tool_choice == "by_format":
        return Outcome("ok", f"{outcome.detail}; forced by ChatQwen3: the server ignores the name")
    return outcome


def read_parallel_calls(reply: AIMessage, facts: Facts) -> Outcome:
    """Read whether two calls came in one reply."""
    return read_tool_call(reply, facts, wanted=2)


def read_streamed_call(reply: Streamed, facts: Facts) -> Outcome:
    """Read whether a streamed call is complete."""
    return read_tool_call(reply.message, facts)


def read_structured(reply: Mapping[str, Any], facts: Facts) -> Outcome:
    """Read whether the answer matches the schema, and whether the model thought."""
    raw, error = reply["raw"], reply.get("parsing_error")
    if error is not None:
        if raw.response_metadata.get("finish_reason") == "length":
            return Outcome("unsure", f"inconclusive: cut after {MAX_TOKENS:,} tokens")
        return Outcome("failed", _quote(str(error)), advise_log(facts))
    if _reasoning(raw) or (facts.line is not None and facts.line.thinking == "never"):
        return Outcome("ok", _quote(str(reply["parsed"])))
    if facts.dialect.json_refused_thinking:
        return Outcome("unsure", "the server refuses both together: ChatQwen3 switches thinking off")
    detail = "the answer fits the schema, but the grammar applies from the first token: no thinking"
    return _fail(detail, "reasoning", facts)


def read_usage(reply: Streamed, _facts: Facts) -> Outcome:
    """Read whether a stream contains token counts."""
    usage = reply.message.usage_metadata
    if not usage or not usage["output_tokens"]:
        fix = (
            "The server ignores stream_options.include_usage: get_num_tokens_from_messages counts tokens locally "
            "instead."
        )
        return Outcome("failed", "no token counts in a stream", fix)
    reasoning = _reasoning_tokens(reply.message)
    share = f", {reasoning:,} of them reasoning" if reasoning is not None else ", reasoning not reported separately"
    return Outcome("ok", f"{usage['input_tokens']:,} tokens in, {usage['output_tokens']:,} out{share}")


def read_concurrency(times: Together, facts: Facts) -> Outcome:
    """Read whether concurrent calls are answered concurrently."""
    factor = times.serial / times.together if times.together else float("inf")
    seen = (
        f"{times.calls} calls: {_show_seconds(times.serial)} one by one, {_show_seconds(times.together)} together, "
        f"{factor:.1f} × as fast"
    )
    if factor >= FASTER:
        return Outcome("ok", seen)
    flags = facts.dialect.flags
    slots = flags.get("concurrency") or flags.get("connections")
    few = f"few at a time ({slots})" if slots else "few at a time"
    fix = f"Either the server answers {few}, or it has no spare computing power, for example on a CPU."
    return Outcome("unsure", seen, fix)


def _read_no_call(reply: AIMessage, facts: Facts) -> Outcome:
    """Read what came in place of a valid call."""
    if reply.invalid_tool_calls:
        detail = f"the arguments are broken: {reply.invalid_tool_calls[0].get('args')}"
        return _fail(_quote(detail), "tools", facts)
    if any(tag in reply.text for tag in _CALL_TAGS):
        detail = "the call stayed in the text: ChatQwen3 extracts it, other clients show it"
        return _fail(detail, "tools", facts)
    if reply.text.strip():
        detail = f"the model answered with text instead of a call: {reply.text}"
        return Outcome("unsure", _quote(detail))
    reason = reply.response_metadata.get("finish_reason")
    is_silent = reply.usage_metadata is not None and reply.usage_metadata["output_tokens"] <= _END
    if is_silent or not is_finished(reason) or _reasoning(reply):
        return Outcome("unsure", f"inconclusive: neither a call nor a text, finish_reason {reason!r}")
    return _fail("the reply is empty: the server took the call out of the text and lost it", "tools", facts)


def _read_surplus(reply: AIMessage, shown: str, facts: Facts) -> Outcome:
    """Read duplicate calls, or more calls than the question asks for."""
    fix = "ChatQwen3 merges the two into one call; other clients may make it twice."
    if any(tag in reply.text for tag in _CALL_TAGS):
        return Outcome("unsure", _quote(f"twice, parsed and left in the text: {shown}"), fix)
    distinct = {*map(show_call, reply.tool_calls)}
    if len(distinct) < len(reply.tool_calls):
        return _fail(_quote(f"the same call more than once: {shown}"), "tools", facts)
    return Outcome("ok", _quote(shown))


def _fail(detail: str, flag: str, facts: Facts) -> Outcome:
    return Outcome("failed", detail, advise_option(flag, facts), flag=find_option(flag, facts))


def _reasoning(message: AIMessage) -> str:
    return str(message.additional_kwargs.get("reasoning_content") or "")


def _reasoning_tokens(message: AIMessage) -> int | None:
    usage = message.usage_metadata
    tokens = usage.get("output_token_details", {}).get("reasoning") if usage else None
    return tokens if isinstance(tokens, int) else None


def _show_seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_QUOTE else line[: _MAX_QUOTE - 1] + "…"
