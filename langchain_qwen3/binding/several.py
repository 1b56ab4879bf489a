"""Several models as one: fallbacks, and alternatives between which a config chooses. What is bound is bound to each.

Each model is bound by its own methods, because it may be of any class: only a `ChatQwen3` reads the wire form of our
tools and schemas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import ConfigurableField, Runnable, RunnableBinding, RunnableConfig
from langchain_core.runnables.configurable import RunnableConfigurableAlternatives, RunnableConfigurableFields
from langchain_core.runnables.fallbacks import RunnableWithFallbacks
from langchain_core.runnables.retry import ExponentialJitterParams, RunnableRetry
from langchain_core.tracers.root_listeners import AsyncListener, Listener

if TYPE_CHECKING:
    CoreAlternatives = RunnableConfigurableAlternatives[LanguageModelInput, AIMessage]
    CoreFields = RunnableConfigurableFields[LanguageModelInput, AIMessage]
else:  # pydantic would want a model of these very types
    CoreAlternatives, CoreFields = RunnableConfigurableAlternatives, RunnableConfigurableFields

B = TypeVar("B", bound=RunnableBinding[Any, Any])


class Wrappable(Runnable[LanguageModelInput, AIMessage], Generic[B]):
    """What is put around a model, or around several, keeps their methods that bind."""

    def _keep_methods(self, wrapped: Any) -> B:
        """Return core's wrapper as one of ours."""
        raise NotImplementedError

    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> B:
        """Return it with a config, see `Runnable.with_config`."""
        return self._keep_methods(super().with_config(config, **kwargs))

    def with_retry(
        self,
        *,
        retry_if_exception_type: tuple[type[BaseException], ...] | Callable[[BaseException], bool] = (Exception,),
        wait_exponential_jitter: bool = True,
        exponential_jitter_params: ExponentialJitterParams | None = None,
        stop_after_attempt: int = 3,
    ) -> B:
        """Return it with retries, see `Runnable.with_retry`."""
        wrapped = super().with_retry(
            retry_if_exception_type=retry_if_exception_type,
            wait_exponential_jitter=wait_exponential_jitter,
            exponential_jitter_params=exponential_jitter_params,
            stop_after_attempt=stop_after_attempt,
        )
        return self._keep_methods(wrapped)

    def with_listeners(
        self, *, on_start: Listener | None = None, on_end: Listener | None = None, on_error: Listener | None = None
    ) -> B:
        """Return it with listeners, see `Runnable.with_listeners`."""
        return self._keep_methods(super().with_listeners(on_start=on_start, on_end=on_end, on_error=on_error))

    def with_alisteners(
        self,
        *,
        on_start: AsyncListener | None = None,
        on_end: AsyncListener | None = None,
        on_error: AsyncListener | None = None,
    ) -> B:
        """Return it with async listeners, see `Runnable.with_alisteners`."""
        return self._keep_methods(super().with_alisteners(on_start=on_start, on_end=on_end, on_error=on_error))

    def with_types(self, input_type: Any = None, output_type: Any = None) -> B:
        """Return it with other types of input and output, see `Runnable.with_types`."""
        return self._keep_methods(super().with_types(input_type=input_type, output_type=output_type))

    def with_fallbacks(
        self,
        fallbacks: Sequence[Runnable[LanguageModelInput, AIMessage]],
        *,
        exceptions_to_handle: tuple[type[BaseException], ...] = (Exception,),
        exception_key: str | None = None,
    ) -> FallbackChatModels:
        """Return it with fallbacks, see `Runnable.with_fallbacks`; what is bound later is bound to each model."""
        return FallbackChatModels(
            runnable=self, fallbacks=fallbacks, exceptions_to_handle=exceptions_to_handle, exception_key=exception_key
        )

    def configurable_alternatives(
        self,
        which: ConfigurableField,
        *,
        default_key: str = "default",
        prefix_keys: bool = False,
        **kwargs: Runnable[LanguageModelInput, AIMessage] | Callable[[], Runnable[LanguageModelInput, AIMessage]],
    ) -> AlternativeChatModels:
        """Return several models between which a config chooses, see `RunnableSerializable.configurable_alternatives`.

        What is bound later is bound to each of them.
        """
        return AlternativeChatModels(
            which=which, default=self, alternatives=kwargs, default_key=default_key, prefix_keys=prefix_keys
        )


class StandsForCores:
    """A class in the place of one of core's: dumps have core's id, so they load without trusting another class."""

    @classmethod
    def lc_id(cls) -> list[str]:
        """Return core's own id."""
        core: Any = next(base for base in cls.__mro__ if base.__module__.startswith("langchain_core."))
        own_id: list[str] = core.lc_id()
        return own_id


class MergingConfigs(StandsForCores):
    """A model with a config: a second one keeps what the first has chosen; core's own replace the whole choice."""

    def with_config(self, config: RunnableConfig | None = None, **kwargs: Any) -> Self:
        """Return it with a config, see `Runnable.with_config`."""
        model: Any = self
        merged = {**(model.config or {}), **(config or {}), **kwargs}
        parts = [part.get("configurable") or {} for part in (model.config or {}, merged)]
        if any(parts):
            merged["configurable"] = {**parts[0], **parts[1]}
        copied: Self = model.model_copy(update={"config": merged})
        return copied


class SeveralModels(Wrappable["WrappedModels"]):
    """Binds to each of several models."""

    def _bind_each(self, method: str, /, *args: Any, **kwargs: Any) -> Self:
        raise NotImplementedError

    def _keep_methods(self, wrapped: Any) -> WrappedModels:
        return keep_methods(wrapped, WrappedModels)

    def bind(self, **kwargs: Any) -> Self:
        """Bind settings of a call to every model."""
        return self._bind_each("bind", **kwargs)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Self:
        """Bind tools to every model, see `ChatQwen3.bind_tools`."""
        return self._bind_each("bind_tools", tools, **kwargs)

    def with_structured_output(self, schema: Any = None, **kwargs: Any) -> Runnable[LanguageModelInput, Any]:
        """Have every model answer in a schema, see `ChatQwen3.with_structured_output`."""
        return self._bind_each("with_structured_output", schema, **kwargs)


class WrappedModels(MergingConfigs, SeveralModels, RunnableBinding[LanguageModelInput, AIMessage]):  # type: ignore[misc, no-redef]  # RunnableBinding has a field of this name, and retries with any keyword
    """Several models with a config, listeners, types or retries around all of them."""

    def _bind_each(self, method: str, /, *args: Any, **kwargs: Any) -> Self:
        return self.model_copy(update={"bound": _bind(self.bound, method, *args, **kwargs)})


class FallbackChatModels(StandsForCores, SeveralModels, RunnableWithFallbacks[LanguageModelInput, AIMessage]):
    """A model and its fallbacks: the next one is asked when one fails. Tools and schemas are bound to each."""

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """Return the name of its runs, core's own if it has no other."""
        return super().get_name(suffix, name=name or self.name or RunnableWithFallbacks.__name__)

    def _bind_each(self, method: str, /, *args: Any, **kwargs: Any) -> Self:
        runnable, *fallbacks = (_bind(model, method, *args, **kwargs) for model in self.runnables)
        return self.model_copy(update={"runnable": runnable, "fallbacks": fallbacks})


class AlternativeChatModels(MergingConfigs, SeveralModels, CoreAlternatives):  # type: ignore[misc]  # with a config it stays what it is
    """Several models between which a config chooses."""

    def _bind_each(self, method: str, /, *args: Any, **kwargs: Any) -> Self:
        alternatives = {word: _bind(model, method, *args, **kwargs) for word, model in self.alternatives.items()}
        default = _bind(self.default, method, *args, **kwargs)
        return self.model_copy(update={"default": default, "alternatives": alternatives})


def keep_methods(wrapped: Any, binding: type[B]) -> B:
    """Return core's wrapper of a model, or of several, as a binding of ours, unless it is one."""
    if isinstance(wrapped, Wrappable):
        return wrapped  # type: ignore[return-value]
    if isinstance(wrapped, RunnableBinding):
        return binding(**{name: getattr(wrapped, name) for name in RunnableBinding.model_fields})
    return binding(bound=wrapped, kwargs={}, config={})


def _bind(model: Any, method: str, /, *args: Any, **kwargs: Any) -> Any:
    """Return a model with something bound by its own method; core's bindings have none, so it goes inside them.

    Not inside one with settings of a call, which would replace what is bound now.
    """
    is_built_later = not isinstance(model, Runnable)  # an alternative, when it is chosen
    if is_built_later:
        return lambda: _bind(model(), method, *args, **kwargs)
    is_bare = isinstance(model, RunnableBinding) and not model.kwargs and not hasattr(type(model), method)
    if is_bare or isinstance(model, RunnableRetry):
        return model.model_copy(update={"bound": _bind(model.bound, method, *args, **kwargs)})
    return getattr(model, method)(*args, **kwargs)
