"""The fields of `ChatQwen3`, and how it is built, identified, copied and closed."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from langchain_core.language_models import LangSmithParams, ModelProfile
from langchain_core.load.serializable import SerializedConstructor, SerializedNotImplemented
from langchain_core.utils import get_pydantic_field_names
from langchain_openai import ChatOpenAI
from pydantic import ConfigDict, Field, PrivateAttr, SecretStr, model_validator

from langchain_qwen3._warnings import warn_once
from langchain_qwen3.call import PROVIDER, check_type
from langchain_qwen3.connections.in_flight import InFlightLimit
from langchain_qwen3.connections.leases import ClientLease
from langchain_qwen3.connections.sdk import AsyncSdkClient, Completions, SdkClient, build_clients
from langchain_qwen3.connections.settings import ConnectionSettings
from langchain_qwen3.errors.secrets import clean_url
from langchain_qwen3.profiles import build_profile, resolve_line
from langchain_qwen3.request.foreign_settings import check_refused
from langchain_qwen3.request.keywords import OWN_SETTINGS, check_values, read_field, split_constructor
from langchain_qwen3.request.messages import ReasoningHistory
from langchain_qwen3.request.traces import build_cache_key, build_ls_params, list_secrets, show_keywords
from langchain_qwen3.servers.address import check_key, resolve_api_key, split_url
from langchain_qwen3.servers.detection import find_named, recall_answer
from langchain_qwen3.servers.facts import list_served

DEFAULT_BASE_URL = "http://localhost:8000/v1"
"""vLLM's default port."""

_CONNECTION_FIELDS = {
    "base_url": "openai_api_base",
    "api_key": "openai_api_key",
    "organization": "openai_organization",
    "proxy": "openai_proxy",
    "timeout": "request_timeout",
    "max_retries": "max_retries",
    "default_headers": "default_headers",
    "default_query": "default_query",
    "http_client": "http_client",
    "http_async_client": "http_async_client",
    "socket_options": "http_socket_options",
    "transport": "transport",
}
"""Maps names in `ConnectionSettings` to the fields of the model."""

FOLLOWED = frozenset({"model_name", "model_line", *_CONNECTION_FIELDS.values()})
"""Fields on which the profile or the clients depend."""

SDK_CLIENTS = frozenset({"client", "async_client", "root_client", "root_async_client"})
"""Fields that hold the SDK's clients, which the connections are behind."""

_OWN_CLIENTS = frozenset({"http_client", "http_async_client"})
_SHARED = ("cache", "callbacks", "custom_get_token_ids", "openai_api_key", "rate_limiter")
"""Fields whose values a deep copy shares: limits, counts and caches are for all copies, and many hold a lock."""
_NOT_IN_REPR = frozenset({"model_name", "openai_api_base", "openai_api_key", "metadata", "profile"}) | SDK_CLIENTS
"""Fields shown under another name, or not set by users."""
_CACHED = frozenset(
    name for base in ChatOpenAI.__mro__ for name, value in vars(base).items() if isinstance(value, cached_property)
)
"""What the parents compute once. Their names are private and may change, so they are found by their kind."""


class _Origin(NamedTuple):
    """What a model passes on to a model that is built from its fields, including its clients."""

    limits: dict[int | None, InFlightLimit]
    url_secrets: dict[str, tuple[dict[str, str], dict[str, str]]]
    was_set: frozenset[str]
    base_url: str
    model_name: str
    model_line: str | None


class Qwen3Fields(ChatOpenAI):
    """The fields of `ChatQwen3`, and everything about it that needs no request."""

    # An error's `input_value` would show the key. Only `ChatQwen3` is instantiated, so only its validator is built.
    model_config = ConfigDict(populate_by_name=True, hide_input_in_errors=True, defer_build=True)

    model_name: str = Field(default_factory=lambda: os.getenv("QWEN_MODEL", "").strip(), alias="model")
    """Served model name; else `$QWEN_MODEL`, else the only model that the server lists when the first call is made."""

    default_headers: Mapping[str, str] | None = Field(default=None, repr=False)
    """Headers of every request. They may hold secrets, so neither repr nor dumps show them."""

    default_query: Mapping[str, object] | None = Field(default=None, repr=False)
    """Query parameters of every request; hidden like the headers."""

    openai_proxy: str | None = Field(default=None, repr=False)
    """Proxy for all requests; by default the usual `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` apply."""

    stream_usage: bool | None = True
    """Request token usage in streams; None, the default of `ChatOpenAI`, does so, too."""

    server: str = "auto"
    """The server's dialect: a name in `langchain_qwen3.servers.dialects.DIALECTS`, or `auto` to detect it."""

    model_line: str | None = None
    """The model line, or any model of that line ("Qwen3-VL"), if the model's own name does not show it. It takes
    precedence over the server's information and the name, and determines the profile."""

    enable_thinking: bool | None = None
    """Thinking on or off; None leaves it to the server."""

    return_reasoning: bool = True
    """False leaves reasoning out of messages and chunks. The server still writes it, and usage counts it."""

    thinking_budget: int | None = None
    """Tokens of thinking, in the server's own field; None for no limit."""

    preserve_thinking: bool | None = None
    """Template switch of Qwen3.6 and newer: keep the reasoning of all earlier turns in the prompt."""

    reasoning_history: ReasoningHistory = "auto"
    """Which reasoning is sent back: `auto` since the last human message, or of all turns if the checkpoint needs it
    (3.8, `preserve_thinking`); `all`; `none`."""

    normalize_messages: bool = True
    """Fix messages that a Qwen3 template would refuse or silently drop: `developer` becomes `system`, an unknown role
    `user`, several or late system messages one at the front; what no template can render raises before it is sent."""

    rescue_tool_calls: bool | None = None
    """Read tool calls that a server without the right parser left in the text: None until this server has sent a call
    that it parsed itself, True always, False never. A text may quote a call: see the page on security."""

    repair_tool_calls: bool = False
    """Repair the known damage of Qwen's tool parsers; the message's metadata lists the repairs."""

    top_k: int | None = None
    """Sample from the k most likely tokens."""

    min_p: float | None = None
    """Drop tokens whose probability is below this fraction of the most likely token's."""

    repetition_penalty: float | None = None
    """Factor against repetition, 1 for no penalty; sent as `repeat_penalty` to llama.cpp and LM Studio."""

    sampling: Literal["recommended"] | None = None
    """`recommended` sends the model card's values for thinking or for not thinking, and follows a per-call switch;
    explicitly set values stay. None leaves sampling to the server."""

    max_concurrency: int | None = Field(default=None, ge=1)
    """Requests in flight through this model, over all loops, threads and sync calls of the process; None for no limit.
    A stream holds its slot until it is closed, so a call inside the loop over another call's stream waits forever
    under a limit of 1."""

    transport: Literal["auto", "httpx", "aiohttp"] = "auto"
    """The library for async requests; `auto` is aiohttp, or httpx for a SOCKS proxy, which aiohttp does not support."""

    _lease: ClientLease | None = PrivateAttr(default=None)
    _limits: dict[int | None, InFlightLimit] = PrivateAttr(default_factory=dict)
    _url_secrets: dict[str, tuple[dict[str, str], dict[str, str]]] = PrivateAttr(default_factory=dict)

    # -- construction ------------------------------------------------------------------------------------------------

    @model_validator(mode="before")
    @classmethod
    def build_extra(cls, values: Any) -> Any:
        """Put parameters without a field into `model_kwargs`; a keyword unknown to every server raises TypeError."""
        if not isinstance(values, dict):
            return values
        fields, parameters = split_constructor(values, get_pydantic_field_names(cls))
        for name in ("model", "model_name"):  # None, as of an unset variable, counts as left out, as for URL and key
            if fields.get(name, "") is None:
                del fields[name]
        # pydantic reads a switch as the number 1 or 0, and would ask for a dict only where ChatOllama has a switch.
        check_values({name: value for name, value in fields.items() if isinstance(value, bool) or name == "reasoning"})
        return {**fields, "model_kwargs": parameters} if parameters else fields

    @model_validator(mode="before")
    @classmethod
    def validate_temperature(cls, values: dict[str, Any]) -> Any:
        """Leave the temperature unchanged: the parent changes it for names that begin like OpenAI's models."""
        return values

    @model_validator(mode="after")
    def _infer_use_responses_api(self) -> Self:
        """Ask no model name whether it prefers the Responses API, as the parent's validator of this name does."""
        return self

    @model_validator(mode="after")
    def validate_environment(self) -> Self:
        """Check the values, and connect.

        It replaces the parent's validator of this name, which reads `OPENAI_*` and `LANGSMITH_*` variables.
        """
        if isinstance(self.root_async_client, AsyncSdkClient):
            self._adopt(self.root_async_client.origin)  # core's configurable fields pass the clients on
            self.client = self.async_client = self.root_client = self.root_async_client = None
        if "output_version" not in self.model_fields_set and self.output_version == "responses/v1":
            self.output_version = None  # the environment variable is meant for OpenAI's models
        self._check_values(self.__dict__)
        if self.n is not None and self.n > 1 and self.streaming:
            raise ValueError("n must be 1 when streaming")
        self._connect()
        return self

    @staticmethod
    def _check_values(fields: Mapping[str, Any]) -> None:
        if (server := fields.get("server", "auto")) != "auto":
            find_named(server)
        check_values(fields)
        check_values(fields.get("model_kwargs") or {})
        check_refused(fields)

    def _connect(self) -> None:
        """Resolve URL and key, and take a lease on the shared clients.

        The URL's user, password and query move to a hidden field. They belong to that URL: a copy with another URL does
        not send them.
        """
        url, headers, query = split_url(self._base_url)
        if self.openai_api_key is None:
            self.__dict__["openai_api_key"] = SecretStr(resolve_api_key(url))
        check_key(self.openai_api_key)
        if headers or query:
            self._url_secrets[url] = headers, query
        headers, query = self._url_secrets.get(url, ({}, {}))
        self.__dict__["openai_api_base"] = url  # an assignment would connect again
        options = {name: getattr(self, field) for name, field in _CONNECTION_FIELDS.items()}
        options["default_headers"] = {**headers, **(self.default_headers or {})}
        options["default_query"] = {**query, **(self.default_query or {})}
        settings = ConnectionSettings(**options)
        self._lease, self.root_client, self.root_async_client = build_clients(settings)
        self.root_async_client.origin = _Origin(
            self._limits, self._url_secrets, frozenset(self.model_fields_set), url, self.model_name, self.model_line
        )
        self.client = self.root_client and Completions(self.root_client)
        self.async_client = Completions(self.root_async_client)

    def _adopt(self, origin: _Origin) -> None:
        """Take over from the origin what is not a field: its limit, and the secrets of its URL.

        Fields that nobody set there count as unset here. Profile and key are resolved again if name or URL changed.
        """
        self._limits, self._url_secrets = origin.limits, dict(origin.url_secrets)
        for name in self.model_fields_set - origin.was_set:
            if getattr(self, name) == type(self).model_fields[name].get_default(call_default_factory=True):
                self.model_fields_set.discard(name)
        if self.profile == build_profile(resolve_line(origin.model_name, model_line=origin.model_line)):
            self.profile = self._resolve_model_profile()
        self._follow_address(origin.base_url)

    def _follow_address(self, old: str) -> None:
        """Resolve the key again if it came from an environment variable, which may be meant for the old URL alone."""
        if self.openai_api_base != old and self.openai_api_key == SecretStr(resolve_api_key(old)):
            self.__dict__["openai_api_key"] = SecretStr(resolve_api_key(self._base_url))

    def _require_sync_client(self) -> SdkClient:
        """Return the SDK's sync client; an async key has none."""
        if self.root_client is None:
            raise ValueError(
                "api_key is an async function, so sync calls have no key: use ainvoke, astream and the like, or give a "
                "text or a sync function"
            )
        client: SdkClient = self.root_client
        return client

    # -- identity ----------------------------------------------------------------------------------------------------

    @property
    def _llm_type(self) -> str:
        return PROVIDER

    @property
    def _base_url(self) -> str:
        return self.openai_api_base or os.getenv("QWEN_BASE_URL", "").strip() or DEFAULT_BASE_URL

    @property
    def _served_name(self) -> str:
        """The model's name, or that of the only one that the server lists; empty while nobody asked the server."""
        if self.model_name:
            return self.model_name
        answer = recall_answer(self._base_url)
        names = list_served(answer.models) if answer else []
        return names[0] if len(names) == 1 else ""

    def _own_settings(self) -> dict[str, Any]:
        """Return our own settings that were set explicitly: a default would override `extra_body`."""
        is_set = self.model_fields_set
        return {
            name: value
            for name, default in OWN_SETTINGS.items()
            if (value := getattr(self, name)) != default or name in is_set
        }

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Yield the model's name, its server, and all other set fields: one readable line, without keys."""
        if self.model_name:
            yield "model", self.model_name
        yield "base_url", clean_url(self.openai_api_base or "")
        for name, field in type(self).model_fields.items():
            if name in self.model_fields_set and field.repr and name not in _NOT_IN_REPR:
                yield name, getattr(self, name)

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Constructor arguments that dumps replace with the name of an environment variable."""
        return {"openai_api_key": "QWEN_API_KEY"}

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Return the module path for dumps."""
        return ["langchain_qwen3", "chat_model"]

    def to_json(self) -> SerializedConstructor | SerializedNotImplemented:
        """Return the dump, without anything that may contain a secret.

        Our variable's name replaces the key, where the parent would put OpenAI's; headers, query and proxy are omitted.
        Of our own settings it has those that were set: loading would make a setting of every default.
        """
        dumped = super().to_json()
        if dumped["type"] == "constructor":
            kwargs = dumped["kwargs"]
            if "openai_api_key" in kwargs:
                kwargs["openai_api_key"] = {"lc": 1, "type": "secret", "id": ["QWEN_API_KEY"]}
            for name in ("default_headers", "default_query", "openai_proxy", *OWN_SETTINGS):
                kwargs.pop(name, None)
            kwargs.update(self._own_settings())
        return dumped

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """Return the cache key for this model and call; it contains headers and query only as a digest."""
        key = super()._get_llm_string(stop=stop, **show_keywords(kwargs))
        of_address = self._url_secrets.get(self.openai_api_base or "", ())
        return build_cache_key(key, [self.default_headers, self.default_query, *list_secrets(kwargs), *of_address])

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        """Return what tracers and callbacks see of a call: all settings, but neither its headers nor its query."""
        return super()._get_invocation_params(stop=stop, **{**self._own_settings(), **show_keywords(kwargs)})

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        # The parent builds all parameters of a call to find these, on every call.
        params = {"temperature": self.temperature, "max_tokens": self.max_tokens, "stop": self.stop}
        return build_ls_params({**params, "model": self._served_name, **kwargs}, stop)

    def _resolve_model_profile(self) -> ModelProfile | None:
        return build_profile(resolve_line(self.model_name, model_line=self.model_line))

    def _use_responses_api(self, payload: dict[str, Any]) -> bool:  # noqa: ARG002
        return False

    # -- connections and copies --------------------------------------------------------------------------------------

    @property
    def _in_flight(self) -> InFlightLimit:
        """The limit, shared by all shallow copies of this model with the same limit size."""
        # Read directly from pydantic's storage: attribute access takes two microseconds, on every call.
        limits: dict[int | None, InFlightLimit] = (self.__pydantic_private__ or {})["_limits"]
        limit = limits.get(self.max_concurrency)
        if limit is None:  # first calls may be concurrent; `setdefault` gives all of them the same limit
            limit = limits.setdefault(self.max_concurrency, InFlightLimit(self.max_concurrency))
        return limit

    def close(self) -> None:
        """Release this model's lease.

        The last model to do so closes sync connections at once, and async ones when their event loop next runs.
        """
        if self._lease is not None:
            self._lease.close()

    async def aclose(self) -> None:
        """Release this model's lease on the connections; the last model to do so closes the running loop's.

        The model can be used again afterwards: new connections are opened automatically.
        """
        if self._lease is not None:
            await self._lease.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    if not TYPE_CHECKING:  # a checker that sees it would accept an assignment to any name

        def __setattr__(self, name: str, value: Any) -> None:
            """Set an attribute. What depends on it follows, as in `model_copy`: profile, connections, a variable's key.

            Raises:
                ValueError: The value is out of its range, or `model_line` is not the name of a known line or model.
            """
            is_built = self.__dict__.get("root_async_client") is not None
            if is_built:
                self._forget_cached()
            if name in ("client", "async_client") and value is not None and type(value) is not Completions:
                roots = filter(None, (self.root_client, self.root_async_client))
                if all(value is not root.chat.completions for root in roots):
                    warn_once(
                        f"assigning {name} has no effect on requests: pass http_client= or http_async_client=, or use "
                        "LangChain's callbacks"
                    )
            if is_built and name not in SDK_CLIENTS:
                self._check_values({name: value})
            if name not in FOLLOWED or not is_built:
                super().__setattr__(name, value)
                return
            copied = self.model_copy(update={name: value})
            self.__dict__.update(copied.__dict__)
            self._lease = copied._lease  # noqa: SLF001
            self.model_fields_set.add(name)

    def _forget_cached(self) -> None:
        """Forget what was computed from the old settings, such as core's part of the cache key."""
        for name in _CACHED:
            self.__dict__.pop(name, None)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy; one with another URL, key or transport opens new connections.

        Args:
            update: New values under the constructor's names (`model`, `base_url`) or those of the fields.
            deep: Whether values such as `metadata` are copied too.

        Raises:
            TypeError: A name is unknown.
            ValueError: A value is out of its range.
        """
        if deep:  # pydantic would copy the clients, too, if there is an update
            return copy.deepcopy(self).model_copy(update=update)
        if update:
            update = self._read_update(update)
        copied = super().model_copy(update=update)
        copied._forget_cached()  # noqa: SLF001
        if update and update.keys() & {"model_name", "model_line"} and "profile" not in update:
            is_resolved = self.profile == self._resolve_model_profile()
            copied.profile = copied._resolve_model_profile() if is_resolved else self.profile  # noqa: SLF001
        if update and not update.keys().isdisjoint(_CONNECTION_FIELDS.values()):
            if "openai_api_key" not in update:
                copied._follow_address(self._base_url)  # noqa: SLF001
            copied._connect()  # noqa: SLF001
        return copied

    def _read_update(self, update: Mapping[str, Any]) -> dict[str, Any]:
        """Return new values by field; parameters without a field join those of `model_kwargs`."""
        check_type("update", update, Mapping, "a dict of new values")
        values, parameters = split_constructor(update, get_pydantic_field_names(type(self)))
        if "model_kwargs" in update:
            values["model_kwargs"] = parameters
        elif parameters:
            values["model_kwargs"] = {**self.model_kwargs, **parameters}
        names = {self._name_field(name): name for name in values}
        check_values({field: values[name] for field, name in names.items()})
        fields = {field: read_field(type(self), field, values[name], name) for field, name in names.items()}
        if fields.get("model_name", "") is None:
            fields["model_name"] = type(self).model_fields["model_name"].get_default(call_default_factory=True)
        self._check_values(fields)
        return fields

    @classmethod
    def _name_field(cls, name: str) -> str:
        """Return the field for a name of the constructor, such as `base_url`."""
        return next((field for field, info in cls.model_fields.items() if info.alias == name), name)

    def __getstate__(self) -> dict[Any, Any]:
        """Pickle without connections. The key is in the pickle, as in the model.

        Raises:
            TypeError: There is a client of the user's own that cannot be pickled.
        """
        state = self._get_bare_state()
        for name in _OWN_CLIENTS:
            try:
                pickle.dumps(getattr(self, name))
            except Exception as error:
                raise TypeError(
                    f"{name} cannot be pickled, and the model would call without it: set what it is for on the model "
                    "(openai_proxy, default_headers, timeout), or build the model where it is used"
                ) from error
            state["__dict__"][name] = getattr(self, name)
        return state

    def _get_bare_state(self) -> dict[Any, Any]:
        """Return the state without any client."""
        state = super().__getstate__()
        fields = {**state["__dict__"], **dict.fromkeys(SDK_CLIENTS | _OWN_CLIENTS)}
        private = {**(state["__pydantic_private__"] or {}), "_lease": None, "_limits": {}}
        return {**state, "__dict__": fields, "__pydantic_private__": private}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        private = {"_lease": None, "_limits": {}, "_url_secrets": {}, **(state["__pydantic_private__"] or {})}
        super().__setstate__({**state, "__pydantic_private__": private})
        self._connect()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        copied = self.__class__.__new__(self.__class__)
        memo = {} if memo is None else memo
        for value in (getattr(self, name) for name in _SHARED):
            # The copy gets its own list of callbacks, with the same handlers.
            memo.update((id(part), part) for part in (value if isinstance(value, list) else [value]))
        state = copy.deepcopy(self._get_bare_state(), memo)
        # The user's own clients hold connections, and the bare state has none.
        state["__dict__"].update(http_client=self.http_client, http_async_client=self.http_async_client)
        copied.__setstate__(state)
        return copied
