"""One model: what is bound to it, and fields that a config chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Literal, TypedDict, TypeVar, overload

from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.load.serializable import SerializedConstructor, SerializedNotImplemented
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableBinding
from langchain_core.tools import BaseTool

from langchain_qwen3.binding.several import CoreFields, MergingConfigs, Wrappable, keep_methods
from langchain_qwen3.call import Method
from langchain_qwen3.request.merging import MergingCalls, merge_keywords
from langchain_qwen3.request.schema import close_format, read_response_format
from langchain_qwen3.request.tool_choice import convert_tools, list_functions, read_tool_choice
from langchain_qwen3.request.traces import show_keywords
from langchain_qwen3.structured import build_structured_runnable

T = TypeVar("T")


class StructuredReply(TypedDict, Generic[T]):
    """The result of `with_structured_output(..., include_raw=True)`."""

    raw: AIMessage
    """The reply as received, with its reasoning and usage."""

    parsed: T | None
    """The answer; None if there is none."""

    parsing_error: Exception | None
    """Why there is no answer; None if there is one or a tool was called instead."""


class Bindable(Wrappable["BoundChatQwen3"]):
    """Binds tools and schemas through `bind` only, for the model and for the results of `bind`."""

    def bind(self, **kwargs: Any) -> BoundChatQwen3:
        """Return the model with bound call settings; `bind_tools` and `with_structured_output` keep them."""
        return BoundChatQwen3(bound=self, kwargs=kwargs, config={})

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the model with tools.

        Args:
            tools: Functions, pydantic classes, LangChain tools or tool dicts; also a server's own tools such as
                `{"type": "web_search"}`, which are dropped, with a warning, if the server does not have them.
            tool_choice: `auto`, `none`, `any` or `required`, a tool's name, or OpenAI's dict. If a demanded call is
                missing, `ToolChoiceError` is raised, even if the server ignores the choice.
            strict: Ask the server to enforce the schema of arguments, and that of a `response_format` that is a class
                or a JSON schema. A format's own `strict` closes its schema.
            parallel_tool_calls: False for at most one call.
            **kwargs: Bound to the model, such as `response_format`: OpenAI's, a JSON schema or a class.

        Raises:
            TypeError: `tools` is no list.
            ValueError: `tool_choice` names no bound tool, or a tool has no name.
        """
        wire = convert_tools(tools, strict=strict)
        if tool_choice is not None:
            choice = read_tool_choice(tool_choice, [function["name"] for function in list_functions(wire)])
            kwargs["tool_choice"] = choice.wire if choice else None
        if parallel_tool_calls is not None:
            kwargs["parallel_tool_calls"] = parallel_tool_calls
        if "response_format" in kwargs:
            kwargs["response_format"] = read_response_format(close_format(kwargs["response_format"]), strict=strict)
        return self.bind(tools=wire, **kwargs)

    @overload
    def with_structured_output(
        self,
        schema: type[T],
        *,
        method: Method | None = None,
        include_raw: Literal[False] = False,
        strict: bool | None = None,
        tools: None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, T]: ...

    @overload
    def with_structured_output(
        self,
        schema: type[T],
        *,
        method: Method | None = None,
        include_raw: Literal[False] = False,
        strict: bool | None = None,
        tools: Sequence[Any],
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, T | None]: ...

    @overload
    def with_structured_output(
        self,
        schema: type[T],
        *,
        method: Method | None = None,
        include_raw: Literal[True],
        strict: bool | None = None,
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, StructuredReply[T]]: ...

    @overload
    def with_structured_output(
        self,
        schema: dict[str, Any] | None = None,
        *,
        method: Method | None = None,
        include_raw: Literal[False] = False,
        strict: bool | None = None,
        tools: None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any]]: ...

    @overload
    def with_structured_output(
        self,
        schema: dict[str, Any] | None = None,
        *,
        method: Method | None = None,
        include_raw: Literal[False] = False,
        strict: bool | None = None,
        tools: Sequence[Any],
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | None]: ...

    @overload
    def with_structured_output(
        self,
        schema: dict[str, Any] | None = None,
        *,
        method: Method | None = None,
        include_raw: Literal[True],
        strict: bool | None = None,
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, StructuredReply[dict[str, Any]]]: ...

    @overload
    def with_structured_output(
        self,
        schema: type[T],
        *,
        method: Method | None = None,
        include_raw: bool,
        strict: bool | None = None,
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]: ...

    @overload
    def with_structured_output(
        self,
        schema: dict[str, Any] | None = None,
        *,
        method: Method | None = None,
        include_raw: bool,
        strict: bool | None = None,
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]: ...

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Method | None = None,
        include_raw: bool = False,
        strict: bool | None = None,
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Return a runnable whose answers match a schema.

        Thinking is unchanged if the server supports both, and reasoning is kept in `raw`. An answer that was cut is an
        error, never an object with defaults for the missing parts.

        Args:
            schema: A pydantic class or a dataclass gives instances; a TypedDict, a JSON schema, the tool form of OpenAI
                or Anthropic, or `{"type": "json_schema", …}` gives dicts. None, with `json_mode`: any JSON object.
            method: `json_schema`, `function_calling` or `json_mode`; None takes the server's best.
            include_raw: Return `{"raw", "parsed", "parsing_error"}` instead of raising errors in the answer.
            strict: Sent to the server, which may then enforce the schema more strictly.
            tools: Tools the model may call instead of answering; the answer is then None.
            **kwargs: Bound to the model, such as `constraint=`, an engine's own grammar in place of the schema.

        Raises:
            ValueError: Method and arguments cannot be combined, or the schema's form is not supported.
            OutputParserException: On use: the answer was cut, is not JSON or does not fit the schema.
            ModelRefusalError: On use: the model refused, or a filter stopped it.
        """
        return build_structured_runnable(
            self, schema, method=method, include_raw=include_raw, strict=strict, tools=tools, **kwargs
        )

    def _keep_methods(self, wrapped: Any) -> BoundChatQwen3:
        return keep_methods(wrapped, BoundChatQwen3)


class BoundChatQwen3(MergingConfigs, MergingCalls, Bindable, RunnableBinding[LanguageModelInput, AIMessage]):  # type: ignore[misc, no-redef]  # RunnableBinding has a field of this name, and retries with any keyword
    """A `ChatQwen3` with bound settings, which `bind_tools` and `with_structured_output` keep.

    Dumps store it as core's `RunnableBinding`, so it can be loaded without trusting another class. Neither dumps nor
    repr show bound headers or queries.
    """

    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """Return the dump, without headers and query of the calls."""
        dumped = super().to_json()
        if dumped["type"] == "constructor":
            dumped["kwargs"]["kwargs"] = show_keywords(self.kwargs)
        return dumped

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, show_keywords(self.kwargs) if name == "kwargs" else value

    def bind(self, **kwargs: Any) -> BoundChatQwen3:
        """Return it with more settings bound; they win over those that are bound already."""
        return self.model_copy(update={"kwargs": merge_keywords(self.kwargs, kwargs)})

    @property
    def profile(self) -> ModelProfile | None:
        """The model's profile, with what is bound: `model_line`, or another model."""
        names = {"model": "model_name", "model_name": "model_name", "model_line": "model_line"}
        update = {names[name]: value for name, value in self.kwargs.items() if name in names and value is not None}
        if not update or not isinstance(self.bound, BaseChatModel):
            return getattr(self.bound, "profile", None)
        if "model_name" in update:
            update.setdefault("model_line", None)  # the field describes the other model
        return self.bound.model_copy(update=update).profile

    def get_num_tokens_from_messages(
        self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None, **kwargs: Any
    ) -> int:
        """Return the number of prompt tokens of a conversation, including bound tools and switches."""
        count: Callable[..., int] = self.__getattr__("get_num_tokens_from_messages")
        bound = merge_keywords(self.kwargs, kwargs)
        bound_tools = bound.pop("tools", None)
        return count(messages, bound_tools if tools is None else tools, **bound)


class ConfigurableChatQwen3(MergingConfigs, Bindable, CoreFields):  # type: ignore[misc]  # with a config it stays what it is
    """A `ChatQwen3` some of whose fields a config chooses, also after tools or a schema were bound to it."""
