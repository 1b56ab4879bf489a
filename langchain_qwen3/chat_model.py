"""`ChatQwen3`: the chat model for Qwen3 on any OpenAI-compatible server."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, Self

from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.load.load import ALL_SERIALIZABLE_MAPPINGS
from langchain_core.load.serializable import SerializedConstructor, SerializedNotImplemented
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_openai import ChatOpenAI
from pydantic import Field, PrivateAttr, SecretStr, model_validator

from langchain_qwen3 import content_blocks
from langchain_qwen3.client_pool import ClientLease
from langchain_qwen3.clients import CONNECTION_FIELDS, build_clients, resolve_api_key
from langchain_qwen3.detection import ServerFacts, alook_up, look_up, recall_facts
from langchain_qwen3.dialects import DIALECTS, GENERIC, Dialect
from langchain_qwen3.errors import translate_errors
from langchain_qwen3.exchange import aopen_stream, apost, open_stream, post
from langchain_qwen3.in_flight import InFlightLimit
from langchain_qwen3.messages import ReasoningHistory
from langchain_qwen3.reply import PROVIDER, read_response
from langchain_qwen3.request import OWN_SETTINGS, Call, build_call, merge_body
from langchain_qwen3.stream import StreamReader
from langchain_qwen3.structured import build_structured_runnable
from langchain_qwen3.structured_parser import Method
from langchain_qwen3.tool_choice import check_forced_call, read_tool_choice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

    from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
    from langchain_core.language_models import LangSmithParams
    from langchain_core.tools import BaseTool

    from langchain_qwen3.errors import ErrorTranslator

DEFAULT_BASE_URL = "http://localhost:8000/v1"
"""vLLM's default port."""

content_blocks.register()


class ChatQwen3(ChatOpenAI):
    """Chat model for Qwen3 models on vLLM, SGLang, llama.cpp, Ollama, DashScope and plain OpenAI-compatible pods.

    A drop-in for `ChatOpenAI`: every field and method of it that concerns chat completions works, with thinking,
    reasoning, usage and errors as Qwen3 and its servers really have them.

    Example:
        ```python
        from langchain_qwen3 import ChatQwen3

        llm = ChatQwen3(model="Qwen/Qwen3-0.6B", base_url="http://localhost:8000/v1", enable_thinking=True)
        message = await llm.ainvoke("你是谁?")
        message.additional_kwargs["reasoning_content"], message.content
        ```

    Every keyword below that is a setting of a request can be given to a call or to `.bind()` as well.
    """

    model_name: str = Field(default_factory=lambda: os.getenv("QWEN_MODEL", ""), alias="model")
    """Served model name; `$QWEN_MODEL` when not given."""

    default_headers: Mapping[str, str] | None = Field(default=None, repr=False)
    """Headers of every request. They may hold secrets, so neither repr nor dumps show them."""

    default_query: Mapping[str, object] | None = Field(default=None, repr=False)
    """Query parameters of every request; hidden like the headers."""

    openai_proxy: str | None = Field(default=None, repr=False)
    """Proxy for all requests; without it the usual `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` count."""

    stream_usage: bool = True
    """Ask for token usage in streams."""

    server: str = "auto"
    """How the server spells things: a name in `langchain_qwen3.dialects.DIALECTS`, or `auto` to find out."""

    enable_thinking: bool | None = None
    """Thinking on or off; None leaves it to the server."""

    return_reasoning: bool = True
    """False leaves reasoning out of messages and chunks. The server still writes it, and usage counts it."""

    thinking_budget: int | None = None
    """Tokens of thinking, in the server's own field; None for no limit."""

    preserve_thinking: bool | None = None
    """Template switch of Qwen3.6 and newer: keep the reasoning of all earlier turns in the prompt."""

    reasoning_history: ReasoningHistory = "auto"
    """Whose reasoning is sent back: `auto` since the last human message, or of all turns where the checkpoint wants it
    (3.8, `preserve_thinking`); `all`; `none`."""

    normalize_messages: bool = True
    """Put right what a Qwen3 template would refuse or silently drop: `developer` becomes `system`, several or late
    system messages become one at the front, and a conversation no template can render is an error before it is sent."""

    rescue_tool_calls: bool = True
    """Read tool calls that a server without the right parser left in the text."""

    repair_tool_calls: bool = False
    """Mend the known damage of Qwen's tool parsers (extra `repair`); the message's metadata says what was mended."""

    top_k: int | None = None
    """Sample from the k likeliest tokens."""

    min_p: float | None = None
    """Drop tokens less likely than this share of the likeliest one."""

    repetition_penalty: float | None = None
    """Factor against repetition, 1 for none; sent as `repeat_penalty` to llama.cpp and LM Studio."""

    max_concurrency: int | None = Field(default=None, ge=1)
    """Requests in flight through this model, over all loops, threads and sync calls of the process; None for no limit.
    A stream holds its place until it is closed, so a call inside the loop over another call's stream waits for ever
    under a limit of 1."""

    transport: Literal["auto", "httpx", "aiohttp"] = "auto"
    """What carries async requests; `auto` takes aiohttp when the extra is installed."""

    _lease: ClientLease | None = PrivateAttr(default=None)
    _limit: InFlightLimit | None = PrivateAttr(default=None)

    # -- construction ------------------------------------------------------------------------------------------------

    @model_validator(mode="before")
    @classmethod
    def validate_temperature(cls, values: dict[str, Any]) -> Any:
        """Leave temperature alone: the parent changes it for names that begin like OpenAI's models."""
        return values

    @model_validator(mode="after")
    def _infer_use_responses_api(self) -> Self:
        """Refuse the Responses API, and ignore the environment variable that would switch it on."""
        if self.use_responses_api:
            raise ValueError("use_responses_api=True is not possible: ChatQwen3 speaks chat completions only")
        if self.output_version == "responses/v1":
            if "output_version" in self.model_fields_set:
                raise ValueError('output_version must be "v0" or "v1": "responses/v1" is OpenAI\'s Responses API')
            self.output_version = None
        return self

    @model_validator(mode="after")
    def validate_environment(self) -> Self:
        """Resolve model, URL and key, and take a lease on the shared clients.

        It takes the place of the parent's validator of this name, which reads `OPENAI_*` and `LANGSMITH_*` variables.
        """
        if not self.model_name:
            raise ValueError('model is missing: pass model="Qwen/Qwen3-0.6B" or set $QWEN_MODEL')
        if self.server != "auto" and self.server not in DIALECTS:
            raise ValueError(f'server must be "auto" or one of {", ".join(DIALECTS)}, not {self.server!r}')
        if self.n is not None and self.n < 1:
            raise ValueError("n must be at least 1")
        if self.n is not None and self.n > 1 and self.streaming:
            raise ValueError("n must be 1 when streaming")
        self.openai_api_base = (self.openai_api_base or os.getenv("QWEN_BASE_URL") or DEFAULT_BASE_URL).rstrip("/")
        if self.openai_api_key is None:
            self.openai_api_key = SecretStr(resolve_api_key(self.openai_api_base))
        self._limit = InFlightLimit(self.max_concurrency)
        self._connect()
        return self

    def _connect(self) -> None:
        """Build the SDK's clients over the shared connections."""
        self._lease, self.root_client, self.root_async_client = build_clients(self)
        self.client = self.root_client and self.root_client.chat.completions
        self.async_client = self.root_async_client and self.root_async_client.chat.completions

    # -- identity ----------------------------------------------------------------------------------------------------

    @property
    def _llm_type(self) -> str:
        return PROVIDER

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Constructor arguments that dumps replace by the name of an environment variable."""
        return {"openai_api_key": "QWEN_API_KEY"}

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Return the module path that dumps name."""
        return ["langchain_qwen3", "chat_model"]

    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """Return the dump, without anything that may hold a secret.

        The key's place names our variable, where the parent would name OpenAI's; headers, query and proxy are left out.
        """
        dumped = super().to_json()
        if dumped["type"] == "constructor":
            kwargs = dumped["kwargs"]
            if "openai_api_key" in kwargs:
                kwargs["openai_api_key"] = {"lc": 1, "type": "secret", "id": ["QWEN_API_KEY"]}
            for name in ("default_headers", "default_query", "openai_proxy"):
                kwargs.pop(name, None)
        return dumped

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = PROVIDER
        return params

    def _use_responses_api(self, payload: dict[str, Any]) -> bool:  # noqa: ARG002
        return False

    # -- request -----------------------------------------------------------------------------------------------------

    @property
    def _default_params(self) -> dict[str, Any]:
        params = super()._default_params
        for name in ("top_k", "min_p", "repetition_penalty"):
            if (value := getattr(self, name)) is not None:
                params[name] = value
        return params

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Return the exact JSON body a call would send, for the dialect as far as it is known. No I/O."""
        messages = self._convert_input(input_).to_messages()
        return self._build_call(messages, stop, kwargs, stream=bool(kwargs.get("stream"))).payload

    def _build_call(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: Mapping[str, Any], *, stream: bool
    ) -> Call:
        # Tutorials for ChatOpenAI write astream(question, options={"extra_body": {…}}).
        given = {**(kwargs.get("options") or {}), **kwargs}
        given.pop("options", None)
        body = merge_body(merge_body({}, self.extra_body or {}), given.pop("extra_body", None) or {})
        asked = {**self._default_params, **given, "extra_body": body}
        if stop is not None:
            asked["stop"] = stop
        asked.setdefault("stream_usage", self.stream_usage)
        fields = {name: getattr(self, name) for name in OWN_SETTINGS}
        return build_call(messages, asked, fields, self.dialect, stream=stream)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Method | None = None,
        include_raw: bool = False,
        strict: bool | None = None,
        tools: list[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Return a runnable whose answers have a schema.

        Thinking stays as it is where the server can do both, and reasoning is kept in `raw`. An answer that was cut is
        an error, never an object with defaults in place of what is missing.

        Args:
            schema: A pydantic class, a TypedDict, a JSON schema, or OpenAI's function or tool form.
            method: `json_schema`, `function_calling` or `json_mode`; None takes the server's best.
            include_raw: Return `{"raw", "parsed", "parsing_error"}` and raise nothing.
            strict: Sent to the server, which may then hold the answer to the schema more closely.
            tools: Tools the model may call instead of answering; the answer is then None.
            **kwargs: Bound to the model, `constraint=` for an engine's own grammar among them.

        Raises:
            ValueError: Method and arguments do not go together.
            OutputParserException: On use: the answer was cut, is no JSON or does not fit the schema.
            ModelRefusalError: On use: the model refused, or a filter stopped it.
        """
        return build_structured_runnable(
            self, schema, method=method, include_raw=include_raw, strict=strict, tools=tools, **kwargs
        )

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
            tools: Functions, pydantic classes, LangChain tools or tool dicts.
            tool_choice: `auto`, `none`, `any` or `required`, a tool's name, or OpenAI's dict. A call that is demanded
                and does not come is a `ToolChoiceError`, also where the server ignores the choice.
            strict: Ask the server to hold the arguments to their schema.
            parallel_tool_calls: False for at most one call.
            **kwargs: Bound to the model.

        Raises:
            ValueError: `tool_choice` names no bound tool.
        """
        wire = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        if tool_choice is not None:
            choice = read_tool_choice(tool_choice, [tool["function"]["name"] for tool in wire if "function" in tool])
            kwargs["tool_choice"] = choice.wire if choice else None
        if parallel_tool_calls is not None:
            kwargs["parallel_tool_calls"] = parallel_tool_calls
        return self.bind(tools=wire, **kwargs)

    @property
    def dialect(self) -> Dialect:
        """How the server spells things, as far as that is known without asking it."""
        facts = recall_facts(self.server, self._base_url)
        return facts.dialect if facts else GENERIC

    @property
    def _base_url(self) -> str:
        return self.openai_api_base or DEFAULT_BASE_URL

    def _detect(self) -> ServerFacts:
        """Find out what the server is, once per URL and process."""
        self._ensure_sync_client_available()
        return recall_facts(self.server, self._base_url) or look_up(self.root_client, self._base_url)

    async def _adetect(self) -> ServerFacts:
        return recall_facts(self.server, self._base_url) or await alook_up(self.root_async_client, self._base_url)

    # -- the four hooks ----------------------------------------------------------------------------------------------

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self._detect()
        call = self._build_call(messages, stop, kwargs, stream=False)
        if call.stream_inside:
            return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))
        started_at = perf_counter()
        with self._in_flight.slot(), self._errors():
            result = read_response(post(self.root_client, call), call.reply, started_at)
            _check_choice(call, lambda: [generation.message for generation in result.generations])
            return result

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        await self._adetect()
        call = self._build_call(messages, stop, kwargs, stream=False)
        if call.stream_inside:
            return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))
        started_at = perf_counter()
        async with self._in_flight.aslot():
            with self._errors():
                result = read_response(await apost(self.root_async_client, call), call.reply, started_at)
                _check_choice(call, lambda: [generation.message for generation in result.generations])
                return result

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        self._detect()
        call = self._build_call(messages, stop, kwargs, stream=True)
        reader = StreamReader(call.reply)
        with (
            self._in_flight.slot(),
            self._errors() as errors,
            open_stream(self.root_client, call, reader, self.stream_chunk_timeout) as pieces,
        ):
            errors.partial = reader.partial
            for data in pieces:
                for chunk in reader.read(data):
                    if run_manager:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
                if reader.done:
                    break
            last = reader.end()
            _check_choice(call, lambda: [reader.collect()])
            for chunk in last:
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        await self._adetect()
        call = self._build_call(messages, stop, kwargs, stream=True)
        reader = StreamReader(call.reply)
        async with self._in_flight.aslot():
            with self._errors() as errors:
                async with aopen_stream(self.root_async_client, call, reader, self.stream_chunk_timeout) as pieces:
                    errors.partial = reader.partial
                    async for data in pieces:
                        for chunk in reader.read(data):
                            if run_manager:
                                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                            yield chunk
                        if reader.done:
                            break
                    last = reader.end()
            _check_choice(call, lambda: [reader.collect()])
            for chunk in last:
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    def _errors(self) -> ErrorTranslator:
        return translate_errors(self.dialect.name, self._base_url, self.model_name)

    def _should_stream(self, **kwargs: Any) -> bool:
        # A stream is one message, so several choices come whole even where a callback would like tokens.
        if (kwargs.get("n") or self.n or 1) > 1:
            return False
        return super()._should_stream(**kwargs)

    # -- connections and copies --------------------------------------------------------------------------------------

    @property
    def _in_flight(self) -> InFlightLimit:
        """The limit, shared by every copy of this model that has the same size."""
        if self._limit is None or self._limit.size != self.max_concurrency:
            self._limit = InFlightLimit(self.max_concurrency)
        return self._limit

    def close(self) -> None:
        """Give back this model's share in the sync connections; the last model to do so closes them."""
        if self._lease is not None:
            self._lease.close()

    async def aclose(self) -> None:
        """Give back this model's share in the connections; the last model to do so closes the running loop's.

        The model can be used again afterwards: connections open by themselves.
        """
        if self._lease is not None:
            await self._lease.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy; one with another URL, key or transport connects anew."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_serialized", None)  # core's cache key of the original
        if update and not CONNECTION_FIELDS.isdisjoint(update):
            copied._connect()  # noqa: SLF001
        return copied

    def __getstate__(self) -> dict[Any, Any]:
        """Pickle without connections. The key is in the pickle, as in the model."""
        state = super().__getstate__()
        fields = dict(state["__dict__"])
        for name in (
            "client",
            "async_client",
            "root_client",
            "root_async_client",
            "http_client",
            "http_async_client",
        ):
            fields[name] = None
        return {**state, "__dict__": fields, "__pydantic_private__": None}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        object.__setattr__(self, "__pydantic_private__", {"_lease": None, "_limit": None})
        self._connect()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        copied = self.__class__.__new__(self.__class__)
        copied.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return copied


def _check_choice(call: Call, read_replies: Callable[[], Iterable[BaseMessage]]) -> None:
    """Raise if a demanded tool call is missing: not every server honours a choice."""
    if call.demanded is not None:
        for reply in read_replies():
            if isinstance(reply, AIMessage):
                check_forced_call(reply, call.demanded)


# Core's allow-list "all" holds its own packages only; whoever loads a dump still has to trust our namespace.
ALL_SERIALIZABLE_MAPPINGS[tuple(ChatQwen3.lc_id())] = tuple(ChatQwen3.lc_id())
