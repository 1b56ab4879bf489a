"""Checks and repairs across messages: each call has its result, and a template can render the conversation. Pure.

Qwen's templates write no call ids into the prompt, so the model takes the nth result as that of the nth call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_qwen3._warnings import warn_once
from langchain_qwen3.request.inputs import check_fields
from langchain_qwen3.request.messages import MessageError, Replay, derive_id, read_kind, write_messages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.messages import BaseMessage

    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.servers.dialect import Dialect

Wire = list[dict[str, Any]]

_NO_RESULT = "[no result so far]"


def write_history(  # noqa: PLR0913  # everything that shapes a message
    messages: Sequence[BaseMessage],
    dialect: Dialect,
    line: ModelLine | None,
    *,
    replay: Replay,
    normalize: bool,
    continues: bool = False,
    piece: bool = False,
) -> Wire:
    """Return the messages of a request, normalized and checked if `normalize` is set.

    Args:
        messages: The conversation.
        dialect: The server.
        line: The checkpoint's line, None when unknown.
        replay: Which reasoning is sent back, see `write_messages`.
        normalize: Repair what a template would refuse, drop or confuse.
        continues: Whether the model thinks and the user did not ask to continue a final assistant message.
        piece: Whether the messages are only counted, so that they may be a piece of a conversation, in either order.

    Raises:
        MessageError: A message's field is of a wrong type, or no template could render the messages.
        MediaError: A part cannot be sent to this server or checkpoint.
    """
    try:
        if piece:
            messages = restore_order(messages)
        wire = write_messages(messages, dialect, replay=replay, normalize=normalize, line=line)
    except (AttributeError, TypeError):
        check_fields(messages)
        raise
    if normalize and not piece:
        wire = answer_calls(wire)
        if not dialect.media_in_results:
            wire = move_media(wire)
        check_messages(wire, dialect, line, continues=continues)
    return wire


def answer_calls(wire: Wire) -> Wire:
    """Return messages in which each call is followed by its result, in the order of the calls.

    A missing result is replaced by a line that says so. A result that comes too late gets its call again, and one
    without a call an added call. A warning names the id. Hosted services answer 400 to all of them, and in a template
    without ids every later result would move to the wrong call.
    """
    if not any(message["role"] == "tool" or "tool_calls" in message for message in wire):
        return wire
    steps: list[Wire] = []
    for message in wire:
        if steps and message["role"] != "assistant":
            steps[-1].append(message)
        else:
            steps.append([message])
    _return_results(steps)
    called: dict[str, dict[str, Any]] = {}
    return [message for step in steps for message in _settle_step(step, called)]


def move_media(wire: Wire) -> Wire:
    """Return messages whose tool results are texts: their pictures and other media follow in a user's message."""
    moved: Wire = []
    media: list[dict[str, Any]] = []
    for message in wire:
        is_result = message["role"] == "tool"
        if media and not is_result:
            moved.append(_show_media(media))
            media = []
        parts = message["content"] if is_result and isinstance(message["content"], list) else []
        if own := [part for part in parts if part["type"] != "text"]:
            media += own
            texts = [part["text"] for part in parts if part["type"] == "text"]
            moved.append({**message, "content": "\n\n".join(texts) or "[see the next message of the user]"})
        else:
            moved.append(message)
    return [*moved, _show_media(media)] if media else moved


def _show_media(media: list[dict[str, Any]]) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": "From the results above, in their order:"}, *media]}


def _return_results(steps: list[Wire]) -> None:
    """Move results to the step that called: agents in parallel write all their calls, and then come all results."""
    lone: list[Wire] = []
    for step in steps:
        is_lone = len(step) == 1
        for message in [*step[1:]]:
            if message["role"] == "tool" and lone and not _calls(step, message):
                home = next((other for other in lone if _calls(other, message)), None)
                if home is not None:
                    step[:] = [other for other in step if other is not message]
                    home.append(message)
        lone = [*lone, step] if is_lone else []


def _calls(step: Wire, result: dict[str, Any]) -> bool:
    return any(result["tool_call_id"] in (call["id"], "") for call in step[0].get("tool_calls", ()))


def restore_order(messages: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
    """Return a piece of a conversation in chronological order.

    Core's `trim_messages` counts pieces from the end, reversed except for a first system message, and the order decides
    which reasoning is sent (https://github.com/langchain-ai/langchain/issues/29637). Calls and their results show the
    order. Without them, it matters only if the first or last message is the assistant's. Then the piece is taken as
    reversed: this is right for trimming, and the next question drops the reasoning of a last answer anyway.
    """
    start = 1 if messages and messages[0].type == "system" else 0
    piece = messages[start:]
    if not piece or _is_in_order(piece):
        return messages
    return [*messages[:start], *reversed(piece)]


def _is_in_order(piece: Sequence[BaseMessage]) -> bool:
    called: set[str] = set()
    answered: set[str] = set()
    for message in piece:
        if read_kind(message) == "tool":
            id_ = getattr(message, "tool_call_id", "")
            if id_ in called:
                return True
            answered.add(id_)
            continue
        calls = [call for name in ("tool_calls", "invalid_tool_calls") for call in getattr(message, name, None) or ()]
        ids = {call.get("id") or "" for call in calls}
        if ids & answered:
            return False
        called |= ids
    first, last = read_kind(piece[0]), read_kind(piece[-1])
    # The call of a first result was cut off before it.
    return first == "tool" or (first != "ai" and last not in ("ai", "tool"))


def check_messages(wire: Wire, dialect: Dialect, line: ModelLine | None = None, *, continues: bool = False) -> None:
    """Raise before anything is sent if no template could render the conversation.

    Args:
        wire: The messages as sent.
        dialect: The server, which either continues a final assistant message or begins a new turn after it.
        line: The checkpoint's line, None when unknown.
        continues: Whether the model thinks and the user did not ask to continue the last message.

    Raises:
        MessageError: There are no messages, a user message is missing that the template needs, or the server would
            continue a final assistant message although the model thinks.
    """
    if not wire:
        raise MessageError("messages are empty: add a HumanMessage")
    if line is not None and line.needs_user and not any(message["role"] == "user" for message in wire):
        raise MessageError(
            f"messages contain no user message, and the template of {line.name} needs one: add a HumanMessage, "
            "or pass normalize_messages=False to send them as they are"
        )
    if continues and dialect.continues_assistant and wire[-1]["role"] == "assistant":
        raise MessageError(
            f"the last message is the assistant's: {dialect.title} would continue it, but a thinking model cannot: "
            "end with a HumanMessage or ToolMessage, pass enable_thinking=False, or normalize_messages=False "
            "to send them as they are"
        )


def _settle_step(step: Wire, called: dict[str, dict[str, Any]]) -> Wire:
    """Repair the messages from one assistant message up to the next.

    Args:
        step: The messages.
        called: The functions of all calls so far, by id; those of this step are added.
    """
    calls = [(call["id"], call["function"]) for call in step[0].get("tool_calls", ())]
    called.update(calls)
    results = [message for message in step if message["role"] == "tool"]
    if [message["tool_call_id"] for message in results] == [id_ for id_, _ in calls] and (
        step[1 : len(results) + 1] == results
    ):
        return step
    answers: Wire = []
    for id_, function in calls:
        # A result without an id is that of the first call of its function, or the first of all if it has no name.
        others = {other for other, _ in calls} - {id_}
        ids = [own for own in (id_, derive_id(function["name"]), "") if own not in others]
        answer = next((message for own in ids for message in results if message["tool_call_id"] == own), None)
        if answer is None:
            where = f"follows the call of {function['name']}"
            warn_once(f"no ToolMessage with tool_call_id={id_!r} {where}: {_NO_RESULT!r} was sent in its place")
            answer = {"role": "tool", "content": _NO_RESULT, "tool_call_id": id_}
        else:
            results.remove(answer)
        answers.append({**answer, "tool_call_id": id_})
    head = step[:1] if step[0]["role"] == "assistant" else []
    rest: Wire = []
    for message in step[len(head) :]:
        if message["role"] != "tool":
            rest.append(message)
        elif any(message is foreign for foreign in results):
            id_ = message["tool_call_id"] or derive_id("unknown")
            rest += [_call_for(id_, called), {**message, "tool_call_id": id_}]
    return [*head, *answers, *rest]


def _call_for(id_: str, called: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return an assistant message that calls for a result without a call before it, and warn."""
    if (function := called.get(id_)) is not None:
        when = "comes after a later message of the assistant, or is a second result"
        what = f"the call of {function['name']} was sent again before it"
    else:
        function = {"name": "unknown", "arguments": "{}"}
        when = "answers no call of an earlier message"
        what = "a call of 'unknown' was added before it. If you trim the history, keep calls with their results"
    warn_once(f"the ToolMessage with tool_call_id={id_!r} {when}: {what}")
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "id": id_, "function": function}]}
