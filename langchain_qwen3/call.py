"""What the parts share: a call, how to read its reply, common constants, and checks of arguments."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_qwen3.profiles import ModelLine
    from langchain_qwen3.servers.dialect import Dialect
    from langchain_qwen3.servers.habits import ReplyHabits
    from langchain_qwen3.servers.refusals import Lesson

PROVIDER = "qwen3"
"""`model_provider` in metadata and LangSmith's `ls_provider`: must be equal, or middleware distrusts reported usage."""

Method = Literal["json_schema", "function_calling", "json_mode"]
"""How a structured answer is requested: a response format, a forced tool, or any JSON."""

METHODS: tuple[Method, ...] = get_args(Method)


class ToolChoice(NamedTuple):
    """A tool choice in normalized form; `name` is set only for `named`."""

    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None

    @property
    def forced(self) -> bool:
        """Whether a call is demanded."""
        return self.mode in ("required", "named")

    @property
    def wire(self) -> str | dict[str, Any]:
        """OpenAI's spelling."""
        return {"type": "function", "function": {"name": self.name}} if self.name else self.mode


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyOptions:
    """The facts about a request that are needed to read its reply.

    Attributes:
        model: The model that was asked, for a reply that does not name one.
        return_reasoning: False leaves reasoning out of messages and chunks.
        thinking_off: Whether thinking was switched off or the checkpoint has none, so that a reply with only reasoning
            is the answer in the wrong field (vLLM's parser does that, measured on 0.32).
        stops: Whether the request has stop sequences, which may also end the thinking, where that is not wanted.
        opened: Whether the reply begins inside the thinking, because the template opened `<think>` in the prompt and
            the server has no parser. None: unknown, the reply itself decides.
        finishes: Whether the server ends every complete stream with a finish reason.
        habits: Facts learned from earlier replies; this reply's facts are recorded there. None to learn nothing.
        tools: The wire tools of the request.
        function_call: Whether the tools were given as OpenAI's `functions` of 2023, so that the call is looked for in
            `additional_kwargs["function_call"]`.
        rescue_tool_calls: Whether to read calls of these tools that were left in the text; None for as long as the
            server was not seen to parse calls.
        demanded: The tool choice that the reply must satisfy; not every server enforces it.
        forced: Whether the server was told to force a call. A grammar can do that without a parser of calls (vLLM,
            llama-cpp-python), so such a reply does not show whether the server has one.
        content_is_calls: Whether the content is the JSON array of a forced choice.
        max_tokens: The limit of the reply that was sent, None for none and for several replies at once.
        context: The context length that the server lists, None if unknown and for several replies at once.
        several: Whether several replies were asked for at once.
        server_writes_arguments: Whether the model may write calls as XML, of which the server makes the arguments. Then
            arguments that look whole may be those of a call that was cut.
        repair_tool_calls: Whether to repair the known damage of Qwen's tool parsers.
        include_headers: Whether to put the response headers into the metadata.
    """

    model: str = ""
    return_reasoning: bool = True
    thinking_off: bool = False
    stops: bool = False
    opened: bool | None = False
    finishes: bool = False
    habits: ReplyHabits | None = field(default=None, compare=False)
    tools: tuple[Mapping[str, Any], ...] = ()
    function_call: bool = False
    rescue_tool_calls: bool | None = None
    demanded: ToolChoice | None = None
    forced: bool = False
    content_is_calls: bool = False
    max_tokens: int | None = None
    context: int | None = None
    several: bool = False
    server_writes_arguments: bool = False
    repair_tool_calls: bool = False
    include_headers: bool = False

    def recall_parses(self) -> set[str]:
        """Return the kinds of reply whose calls the server is known to parse; what is added there is learned."""
        known = self.habits.parses if self.habits is not None else set()
        return set(known) if self.forced else known


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, ready to be sent, and the options for reading its reply.

    Attributes:
        payload: The JSON body.
        options: Headers, query and timeout for the SDK.
        reply: How to read the reply.
        dialect: The server dialect it is written for.
        line: The line of the model that is called, None if it is unknown.
        stream_inside: Whether the server requires a stream even for a whole reply.
        lesson: Builds the call again without what the server refuses; None where the user named the server.
    """

    payload: dict[str, Any]
    options: dict[str, Any]
    reply: ReplyOptions
    dialect: Dialect
    line: ModelLine | None = None
    stream_inside: bool = False
    lesson: Lesson[Call] | None = field(default=None, compare=False)


def check_type(field: str, value: Any, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Check the type of an argument that would otherwise be an error of another library.

    Raises:
        TypeError: It is of another type; the message names the argument and what to pass.
    """
    if not isinstance(value, kinds):
        raise TypeError(f"{field}: pass {wanted}, not {name_type(value)}")


def name_type(value: Any) -> str:
    """Return a value's type with its article: `an int`."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"


def find_foreign(value: Any, path: str = "") -> Exception | None:
    """Return the error for a payload's first value or key that neither JSON nor the SDK's encoder has a form for."""
    if isinstance(value, float) and not isfinite(value):
        return ValueError(f"{path} is {value}, which JSON cannot hold: pass a finite number, or None")
    if value is None or isinstance(value, str | int | float | datetime | BaseModel):
        return None
    if isinstance(value, dict):  # the encoders take no other mapping
        wrong = next((key for key in value if not isinstance(key, str | int | float | None)), None)
        if wrong is not None:
            return _build_foreign_error(f"a key of {path or 'the body'}", wrong)
        inner = [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        inner = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    else:
        return _build_foreign_error(path, value)
    return next(filter(None, (find_foreign(item, where) for where, item in inner)), None)


def _build_foreign_error(path: str, value: Any) -> TypeError:
    kind = type(value).__name__
    return TypeError(f"{path} is of the type {kind}, which JSON cannot hold: pass texts, numbers, lists and dicts")


def keeps_numbers(body: bytes, payload: Mapping[str, Any]) -> bool:
    """Return whether no NaN or infinity among a payload's settings became null in its JSON."""
    if b"null" not in body:
        return True
    return find_foreign({name: value for name, value in payload.items() if name not in ("messages", "tools")}) is None
