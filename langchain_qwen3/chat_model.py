"""`ChatQwen3`: the chat model for Qwen3 on any OpenAI-compatible server, in the order of a request's steps."""

from __future__ import annotations

import copy
import inspect
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Unpack

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput, ModelProfile
from langchain_core.language_models.chat_models import agenerate_from_stream, generate_from_stream
from langchain_core.load.load import ALL_SERIALIZABLE_MAPPINGS
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables.utils import AnyConfigurableField
from langchain_openai import ChatOpenAI
from pydantic import ConfigDict

from langchain_qwen3._warnings import warn_once
from langchain_qwen3.binding import Bindable, ConfigurableChatQwen3
from langchain_qwen3.call import Call
from langchain_qwen3.connections.exchange import OpenStream, afetch_json, apost, fetch_json, post
from langchain_qwen3.errors import ErrorTranslator, Qwen3Error
from langchain_qwen3.errors.causes import NEEDS_STREAM
from langchain_qwen3.fields import Qwen3Fields
from langchain_qwen3.profiles import ModelLine, build_profile
from langchain_qwen3.reply import content_blocks
from langchain_qwen3.reply.stream import StreamReader
from langchain_qwen3.reply.whole import fill_llm_output, read_response
from langchain_qwen3.request.build import build_call, replace_payload
from langchain_qwen3.request.inputs import protect_parts, read_messages
from langchain_qwen3.request.keywords import check_call, check_values, explain_missing_model
from langchain_qwen3.request.tool_choice import convert_tools
from langchain_qwen3.servers.detection import (
    alook_up,
    learn_refusal,
    look_up,
    recall_answer,
    recall_dialect,
    recall_facts,
)
from langchain_qwen3.servers.dialect import WHOLE_REPLY, Dialect
from langchain_qwen3.servers.facts import ModelFacts, ServerFacts, list_served, resolve_served_line
from langchain_qwen3.servers.gateways import GENERIC
from langchain_qwen3.servers.habits import recall_habits
from langchain_qwen3.servers.refusals import Lesson

if TYPE_CHECKING:
    from langchain_qwen3.arguments import Arguments
    from langchain_qwen3.doctor import Diagnosis
    from langchain_qwen3.tokens.counting import Counter
else:
    Diagnosis = Counter = Any  # imported when used; `typing.get_type_hints` needs the names


class ChatQwen3(Bindable, Qwen3Fields):  # type: ignore[misc]  # what it binds has more exact types than in core
    """Chat model for Qwen3 models on vLLM, SGLang, llama.cpp, Ollama, DashScope and plain OpenAI-compatible pods.

    A drop-in replacement for `ChatOpenAI`: every field and method for chat completions works, with the actual thinking,
    reasoning, usage and errors of Qwen3 and its servers.

    Example:
        ```python
        from langchain_qwen3 import ChatQwen3

        llm = ChatQwen3(model="Qwen/Qwen3-0.6B", base_url="http://localhost:8000/v1", enable_thinking=True)
        message = await llm.ainvoke("你是谁?")
        message.additional_kwargs["reasoning_content"], message.content
        ```

    Every keyword below that is a request setting can also be passed to a call or to `.bind()`.
    """

    model_config = ConfigDict(defer_build=False)

    if TYPE_CHECKING:

        def __init__(self, **kwargs: Unpack[Arguments]) -> None: ...

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Warn of a subclass, written for ChatOpenAI, with readers of replies that are not used here."""
        super().__pydantic_init_subclass__(**kwargs)
        for name in ("_create_chat_result", "_convert_chunk_to_generation_chunk"):
            if getattr(cls, name, None) is not getattr(ChatOpenAI, name, None):
                warn_once(
                    f"{cls.__name__} overrides {name}, which ChatQwen3 does not call: the reasoning is in "
                    "additional_kwargs without it; for the rest, override _generate, _agenerate, _stream and _astream"
                )

    # -- the server --------------------------------------------------------------------------------------------------

    @property
    def dialect(self) -> Dialect:
        """The server's dialect, as far as it is known without a request."""
        return recall_dialect(self.server, self._base_url, self._served_name) or GENERIC

    def _detect(self, kwargs: Mapping[str, Any] = MappingProxyType({})) -> ServerFacts:
        """Detect the server, once per URL and process, and what it serves if no model is named."""
        client = self._require_sync_client()
        return self._recall_facts(kwargs) or look_up(partial(fetch_json, client), self._base_url)

    async def _adetect(self, kwargs: Mapping[str, Any] = MappingProxyType({})) -> ServerFacts:
        return self._recall_facts(kwargs) or await alook_up(
            partial(afetch_json, self.root_async_client), self._base_url
        )

    def _recall_facts(self, kwargs: Mapping[str, Any]) -> ServerFacts | None:
        """Return what is known of the server, None where it has to be asked."""
        facts = recall_facts(self.server, self._base_url)
        names_model = self.model_name or kwargs.get("model") or recall_answer(self._base_url)
        return facts if names_model else None

    def served_profile(self) -> ModelProfile | None:
        """Return the profile with the context length that the server really serves, if it reports one."""
        client = self._require_sync_client()
        return self._build_served_profile(look_up(partial(fetch_json, client), self._base_url))

    async def aserved_profile(self) -> ModelProfile | None:
        """Async version of `served_profile`."""
        return self._build_served_profile(await alook_up(partial(afetch_json, self.root_async_client), self._base_url))

    def _build_served_profile(self, facts: ServerFacts) -> ModelProfile | None:
        known = facts.models.get(self._served_name) or ModelFacts()
        return build_profile(self._resolve_line(facts), known.context)

    def _resolve_line(self, facts: ServerFacts | None) -> ModelLine | None:
        return resolve_served_line(self._served_name, self.dialect, facts.models if facts else {}, self.model_line)

    # -- request -----------------------------------------------------------------------------------------------------

    @property
    def _default_params(self) -> dict[str, Any]:
        params = super()._default_params
        for name in ("top_k", "min_p", "repetition_penalty"):
            if (value := getattr(self, name)) is not None:
                params[name] = value
        return params

    def _convert_input(self, model_input: LanguageModelInput) -> PromptValue:
        return protect_parts(read_messages(model_input, super()._convert_input))

    def _get_request_payload(
        self, input_: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Return the exact JSON body a call would send, for the dialect known so far. No I/O."""
        check_call(kwargs, type(self).model_fields)
        messages = self._convert_input(input_).to_messages()
        # A subclass may change what it gets, and the model and its tools must not change with it.
        return copy.deepcopy(self._build_call(messages, stop, kwargs, stream=bool(kwargs.get("stream"))).payload)

    def _prepare(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: Mapping[str, Any], *, stream: bool
    ) -> Call:
        """Return the call for this server; invalid keywords raise before anything is sent."""
        check_call(kwargs, type(self).model_fields)
        self._detect(kwargs)
        return self._build_final_call(messages, stop, kwargs, stream=stream)

    async def _aprepare(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: Mapping[str, Any], *, stream: bool
    ) -> Call:
        check_call(kwargs, type(self).model_fields)
        await self._adetect(kwargs)
        return self._build_final_call(messages, stop, kwargs, stream=stream)

    def _build_final_call(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: Mapping[str, Any], *, stream: bool
    ) -> Call:
        """Return the call; a subclass that overrides LangChain's hook for the payload has the last word."""
        call = self._build_call(messages, stop, kwargs, stream=stream)
        if type(self)._get_request_payload is ChatQwen3._get_request_payload:  # noqa: SLF001  # our own
            return call
        return replace_payload(call, self._get_request_payload(messages, **{"stop": stop, **kwargs, "stream": stream}))

    def _build_call(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        kwargs: Mapping[str, Any],
        *,
        stream: bool,
        piece: bool = False,
    ) -> Call:
        url, served = self._base_url, self._served_name
        fields = {
            **self._default_params,
            **self._own_settings(),
            "extra_body": self.extra_body,
            "include_headers": self.include_response_headers,
            "disabled_params": self.disabled_params,
            "stream_usage": self.stream_usage,
            "model": served,
        }
        if kwargs.get("model", self.model_name) != self.model_name:
            fields.pop("model_line", None)  # it describes this model, but another one is called
        if stop is not None:
            check_values({"stop": stop})
            kwargs = {**kwargs, "stop": stop}
        facts = recall_facts(self.server, url) if self.model_name else recall_answer(url)
        model = str(kwargs.get("model") or served)
        dialect = recall_dialect(self.server, url, model) or GENERIC
        lesson = None
        if self.server == "auto":
            lesson = Lesson(url, model, partial(self._build_final_call, messages, stop, kwargs, stream=stream))
        call = build_call(
            messages,
            kwargs,
            fields,
            dialect,
            stream=stream,
            models=facts.models if facts else {},
            in_flight=self._in_flight.in_flight if dialect.idle_connections_hold_threads else 0,
            recall=partial(recall_habits, url),
            lesson=lesson,
            piece=piece,
        )
        if not call.payload["model"] and facts:
            raise ValueError(explain_missing_model(list_served(facts.models), url))
        return call

    # -- binding -----------------------------------------------------------------------------------------------------

    def configurable_fields(self, **kwargs: AnyConfigurableField) -> ConfigurableChatQwen3:
        """Return the model with fields that a config chooses, see `Runnable.configurable_fields`."""
        kwargs = {self._name_field(name): field for name, field in kwargs.items()}
        super().configurable_fields(**kwargs)  # raises for a name that is no field
        return ConfigurableChatQwen3(default=self, fields=kwargs)

    # -- the four hooks ----------------------------------------------------------------------------------------------

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  # core's signature
        **kwargs: Any,
    ) -> ChatResult:
        call = self._prepare(messages, stop, kwargs, stream=False)
        if not call.stream_inside:
            try:
                with self._in_flight.slot(), self._errors(call):
                    started_at = perf_counter()
                    return read_response(post(self.root_client, call), call.reply, started_at)
            except Qwen3Error as error:
                if not _refuses_whole_reply(error, call):
                    raise
        # Without the run manager: who did not ask for a stream hears of no tokens (`disable_streaming`).
        result = fill_llm_output(generate_from_stream(self._stream(messages, stop, **kwargs)))
        self._remember_stream(call)
        return result

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002  # core's signature
        **kwargs: Any,
    ) -> ChatResult:
        call = await self._aprepare(messages, stop, kwargs, stream=False)
        if not call.stream_inside:
            try:
                async with self._in_flight.slot():
                    with self._errors(call):
                        started_at = perf_counter()
                        return read_response(await apost(self.root_async_client, call), call.reply, started_at)
            except Qwen3Error as error:
                if not _refuses_whole_reply(error, call):
                    raise
        result = fill_llm_output(await agenerate_from_stream(self._astream(messages, stop, **kwargs)))
        self._remember_stream(call)
        return result

    def _remember_stream(self, call: Call) -> None:
        """Remember that a stream worked in place of a refused whole reply; an error may also quote the prompt."""
        if not call.stream_inside:
            learn_refusal(self._base_url, call.reply.model, frozenset({WHOLE_REPLY}))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call = self._prepare(messages, stop, kwargs, stream=True)
        with self._in_flight.slot(), self._errors(call) as errors:
            reader = StreamReader(call.reply)
            try:
                with OpenStream(self.root_client, call, reader, self.stream_chunk_timeout) as pieces:
                    errors.partial, errors.cause = reader.partial, reader.find_cause
                    for data in pieces:
                        for chunk in reader.read(data):
                            if run_manager:
                                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                            yield chunk
                        if reader.done:
                            break
                for chunk in reader.end():
                    if run_manager:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
            except Exception:
                for chunk in reader.abort():
                    yield chunk  # otherwise the caller's sum would keep half a call that looks whole
                raise

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        call = await self._aprepare(messages, stop, kwargs, stream=True)
        async with self._in_flight.slot():
            with self._errors(call) as errors:
                reader = StreamReader(call.reply)
                try:
                    async with OpenStream(self.root_async_client, call, reader, self.stream_chunk_timeout) as pieces:
                        errors.partial, errors.cause = reader.partial, reader.find_cause
                        async for data in pieces:
                            for chunk in reader.read(data):
                                if run_manager:
                                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                                yield chunk
                            if reader.done:
                                break
                    for chunk in reader.end():
                        if run_manager:
                            await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                        yield chunk
                except Exception:
                    for chunk in reader.abort():
                        yield chunk
                    raise

    def _generate_with_cache(self, *args: Any, **kwargs: Any) -> ChatResult:
        return content_blocks.finish_calls(super()._generate_with_cache(*args, **kwargs))

    async def _agenerate_with_cache(self, *args: Any, **kwargs: Any) -> ChatResult:
        return content_blocks.finish_calls(await super()._agenerate_with_cache(*args, **kwargs))

    def _errors(self, call: Call) -> ErrorTranslator:
        return ErrorTranslator(call.dialect.name, self._base_url, self._served_name, call.payload)

    def _streaming_disabled(self, **kwargs: Any) -> bool:
        # A stream is one message: if only a callback asks for a stream, several choices come whole instead.
        if not kwargs.get("stream"):
            places = (kwargs, kwargs.get("extra_body"), {"n": self.n}, self.extra_body)
            n = next((n for place in places if place and isinstance(place, Mapping) and (n := place.get("n"))), 1)
            if isinstance(n, int) and n > 1:  # a value of another type is refused later
                return True
        return super()._streaming_disabled(**kwargs)

    # -- token counts ------------------------------------------------------------------------------------------------

    def get_token_ids(self, text: str) -> list[int]:
        """Return the token ids of a text: by `custom_get_token_ids`, by the server, or by the extra `tokenizer`.

        Raises:
            ImportError: The server cannot return them and the extra is not installed.
        """
        return self._build_counter().encode_text(text)

    def get_num_tokens(self, text: str) -> int:
        """Return the number of tokens of a text.

        By `custom_get_token_ids`, else the server's count, else the local tokenizer's, else an estimate.
        """
        return self._build_counter().count_text(text)

    def get_num_tokens_from_messages(
        self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None, **kwargs: Any
    ) -> int:
        """Return the number of prompt tokens of a conversation, chat template and tools included.

        Accepts a part of a conversation too, even reversed, as `trim_messages(token_counter=llm)` passes it.

        Args:
            messages: The conversation.
            tools: Functions, pydantic classes, LangChain tools or tool dicts.
            **kwargs: Settings of the call, such as `enable_thinking`, which changes the prompt.
        """
        check_call(kwargs, type(self).model_fields)
        counter = self._build_counter()
        if tools:
            kwargs["tools"] = convert_tools(tools)
        messages = self._convert_input(messages).to_messages()
        call = self._build_call(messages, None, kwargs, stream=False, piece=True)
        return counter._replace(dialect=call.dialect, model=call.payload["model"], line=call.line).count_messages(call)

    def _build_counter(self) -> Counter:
        from langchain_qwen3.tokens.counting import Counter

        encode = self.custom_get_token_ids
        facts = None
        if encode is None and self.root_client is not None:  # an async key has no sync client: the count is local
            facts = self._detect()
        line = self._resolve_line(facts)
        return Counter(self.root_client, self._base_url, self.dialect, self._served_name, line, encode)

    async def adoctor(self) -> Diagnosis:
        """Examine the server: what works, what does not, and the flags to start it with.

        Sends about thirty short requests; the model is not changed. In a notebook, findings are displayed as they are
        made, and the result as a table.
        """
        from langchain_qwen3.doctor import examine
        from langchain_qwen3.notebook.examination import ExaminationView

        view = ExaminationView()
        try:
            return await examine(self, on_start=view.start, on_finding=view.add)
        finally:
            view.end()


def _refuses_whole_reply(error: Qwen3Error, call: Call) -> bool:
    """Return whether a stream may be answered instead; a stream has one choice."""
    return NEEDS_STREAM.search(str(error)) is not None and (call.payload.get("n") or 1) == 1


def _register() -> None:
    """Register the class with core; all side effects of importing this module are here."""
    content_blocks.register()
    # Core's allow-list "all" contains only its own packages; loading a dump still requires trusting our namespace.
    ALL_SERIALIZABLE_MAPPINGS[tuple(ChatQwen3.lc_id())] = tuple(ChatQwen3.lc_id())
    # Core inspects these signatures on every call; a stored one takes a third of the time.
    hook: Any
    for hook in (ChatQwen3._generate, ChatQwen3._agenerate):  # noqa: SLF001  # our own
        hook.__signature__ = inspect.signature(hook)


_register()
