"""Valid settings and their ranges, for calls and constructors: a misspelt setting raises, it is never dropped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from math import inf
from numbers import Integral, Real
from typing import Any, NamedTuple

import openai
from langchain_core.runnables import RunnableConfig
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from langchain_qwen3.call import name_type
from langchain_qwen3.profiles import resolve_line
from langchain_qwen3.request.foreign_settings import OTHER_SWITCHES, SWITCH_ADVICE, explain_refused
from langchain_qwen3.servers.dialect import KWARGS, words
from langchain_qwen3.servers.dialects import DIALECTS, cache_rows

OWN_SETTINGS: Mapping[str, Any] = {
    "enable_thinking": None,
    "thinking_budget": None,
    "preserve_thinking": None,
    "return_reasoning": True,
    "reasoning_history": "auto",
    "normalize_messages": True,
    "rescue_tool_calls": None,
    "repair_tool_calls": False,
    "sampling": None,
    "model_line": None,
}
"""This package's own settings and their defaults: they shape the request and are never sent under these names."""


class _Range(NamedTuple):
    """The valid numbers of a setting."""

    low: float
    high: float | None = None
    kind: type = Real
    advice: str = ""


# Where servers differ, the widest range that any of them takes.
_RANGES = {
    "temperature": _Range(0),
    "top_p": _Range(0, 1),
    "min_p": _Range(0, 1),
    "top_k": _Range(-1, None, Integral, "; 0 or -1 (depends on the server) for all tokens"),
    "repetition_penalty": _Range(0),
    "presence_penalty": _Range(-2, 2),
    "frequency_penalty": _Range(-2, 2),
    "n": _Range(1, None, Integral),
    "max_concurrency": _Range(1, None, Integral),
    "max_tokens": _Range(-1, None, Integral, "; -1 for no limit on llama.cpp and LM Studio"),
    "max_completion_tokens": _Range(-1, None, Integral),
    "top_logprobs": _Range(-1, None, Integral),
    "thinking_budget": _Range(0, None, Integral, " tokens, or None for no limit"),
    "seed": _Range(-inf, None, Integral),
}
# The SDK's keywords of a call, which ChatOpenAI's constructor takes for all calls, and the fields that mean the same.
_OF_EACH_CALL = {"extra_headers": "default_headers", "extra_query": "default_query"}
_MAY_HOLD_KEYS = {*_OF_EACH_CALL, *_OF_EACH_CALL.values()}
_MAX_NAMES = 10  # of models in an error
_NOT_GIVEN = (openai.NotGiven, openai.Omit)
_WORDS: Mapping[str, tuple[str, ...]] = {"reasoning_history": ("auto", "all", "none"), "sampling": ("recommended",)}
_SWITCHES = frozenset(name for name, default in OWN_SETTINGS.items() if isinstance(default, bool)) | words(
    """
    enable_thinking include_response_headers logprobs parallel_tool_calls preserve_thinking rescue_tool_calls store
    stream stream_usage streaming
    """
)
_TEXTS = words("model prompt_cache_key reasoning_effort safety_identifier service_tier user verbosity")
_OBJECTS = {KWARGS, *_MAY_HOLD_KEYS} | words(
    """
    constraint extra_body logit_bias metadata model_kwargs options reasoning response_format stream_options
    structured_output
    """
)
_LISTS = ("functions", "tools")
_FORMS = {*_OBJECTS, *_LISTS, *_TEXTS} | words("disabled_params model_line stop stream_chunk_timeout")
# Keywords that a call takes in addition to the body's parameters.
_BESIDE = {*OWN_SETTINGS, KWARGS} | words(
    """
    constraint extra_body extra_headers extra_query ls_structured_output_format model options reasoning stream
    stream_usage structured_output timeout
    """
)


@cache
def openai_fields() -> frozenset[str]:
    """Return the fields of OpenAI's chat completion request."""
    from openai.types.chat.completion_create_params import CompletionCreateParamsBase

    return frozenset(CompletionCreateParamsBase.__annotations__)


@cache_rows
def _list_parameters() -> frozenset[str]:
    """Return the parameters that any server in the table takes."""
    names = set(openai_fields() - {"messages", "model"})
    for row in DIALECTS.values():
        names |= row.own_fields | row.sampling_names.keys() | set(row.sampling_names.values()) | row.extra.keys()
        names |= {path[0] for path in row.setting_paths} | {form.path[0] for form in row.constraints.values()}
    return frozenset(names - OTHER_SWITCHES)


@cache_rows
def _list_call_keywords() -> frozenset[str]:
    return _list_parameters() | _BESIDE


def check_call(kwargs: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Raise for an unknown keyword, and for a value that no server could take.

    Args:
        kwargs: The call's keywords.
        fields: The model's fields by name.

    Raises:
        TypeError: A keyword is unknown; the text suggests a similar name, and `extra_body` as the alternative.
        ValueError: A value is of the wrong type or out of its range.
    """
    known = _list_call_keywords()
    if not known.issuperset(kwargs):
        name = next(str(name) for name in kwargs if name not in known)
        raise TypeError(_explain_unknown(name, known, fields))
    check_values(kwargs)
    if options := kwargs.get("options"):
        check_call(options, fields)


def _explain_unknown(name: str, known: Collection[str], fields: Mapping[str, Any]) -> str:
    own = {*fields, *(info.alias for info in fields.values())}
    if refusal := explain_refused(name, own):
        return refusal
    names = next(((field, info.alias) for field, info in fields.items() if name in (field, info.alias)), ())
    ours = next((ours for ours in names if ours in known), None)  # a field and its alias mean the same
    hint = f". Did you mean {ours}?" if ours else _suggest(name, known)
    is_config = name in RunnableConfig.__annotations__  # `llm.abatch(questions, max_concurrency=8)`
    config = f'pass config={{"{name}": ...}} to the call'
    if not hint and name in own:
        return (
            f"{name} is a setting of the model, not of a call: pass it to ChatQwen3({name}=...), or "
            f"{config if is_config else 'change a copy with model_copy(update={...})'}"
        )
    if is_config:
        return f"{name} is part of LangChain's config: {config}"
    return f"a call of ChatQwen3 has no keyword {name!r}{hint or '.'} {_WAY_OUT}"


def explain_missing_model(names: Sequence[str], base_url: str) -> str:
    """Return the text of the error for a model that was left out where a server does not list exactly one."""
    if not names:
        return (
            f'model is missing, and {base_url} lists none: pass model="Qwen/Qwen3-0.6B" or set $QWEN_MODEL, and check '
            "that base_url ends in the API's prefix, usually /v1"
        )
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return (
        f"model is missing, and {base_url} lists {len(names)} of them: {', '.join(names[:_MAX_NAMES])}{more}. "
        f'Pass one, as model="{names[0]}", or set $QWEN_MODEL'
    )


def split_constructor(values: Mapping[str, Any], fields: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the constructor's keywords into fields of the model and parameters of the body.

    Args:
        values: The constructor's keywords.
        fields: All names and aliases of its fields.

    Raises:
        TypeError: A keyword is neither.
        ValueError: A keyword is given twice, directly and in `model_kwargs`.
    """
    check_values({"model_kwargs": values.get("model_kwargs")})
    given = {name: value for name, value in values.items() if name != "model_kwargs"}
    for name, value in dict(values.get("model_kwargs") or {}).items():  # ChatOpenAI takes its fields from there, too
        if name in values:
            raise ValueError(f"{name} is set twice, directly and in model_kwargs")
        given[name] = value
    check_values({name: given.get(name) for name in _MAY_HOLD_KEYS})
    for name, field in _OF_EACH_CALL.items():
        if name in given:
            given[field] = {**(given.get(field) or {}), **(given.pop(name) or {})}
    parameters = _list_parameters() | {KWARGS}
    known = parameters | set(fields)
    if (wrong := next((str(name) for name in given if name not in known), None)) is not None:
        hint = _suggest(wrong, known)
        unknown = f"ChatQwen3 has no keyword {wrong!r}{hint or '.'} {_WAY_OUT}"
        if not hint and wrong in _BESIDE:
            unknown = f"{wrong} is a setting of a call, not of the model: use .bind({wrong}=...)"
        raise TypeError(explain_refused(wrong) or unknown)
    own = {name: value for name, value in given.items() if name in fields}
    return own, {name: value for name, value in given.items() if name not in fields}


@cache
def _build_adapter(model: type[BaseModel], field: str) -> TypeAdapter[Any]:
    kind: Any = model.model_fields[field].rebuild_annotation()
    return TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True))


def read_field(model: type[BaseModel], field: str, value: Any, name: str) -> Any:
    """Return a new value of a field as the constructor reads it, after `check_values`; None is always the default.

    Raises:
        ValueError: It is of a wrong type; the text has the field's name and no value, which may be a key.
    """
    try:
        return value if value is None else _build_adapter(model, field).validate_python(value)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]["msg"]
        raise ValueError(f"{name}: {problem}; it is {name_type(value)}") from None


_WAY_OUT = "Put a field that only your server knows into extra_body={...}"


def _suggest(name: str, known: Collection[str]) -> str:
    matches = get_close_matches(name, known, n=1, cutoff=0.75)
    return f". Did you mean {matches[0]}?" if matches else ""


def is_missing(value: Any) -> bool:
    """Return whether a parameter with this value is left out: None, or the SDK's own signs for it."""
    return value is None or isinstance(value, _NOT_GIVEN)


def check_values(values: Mapping[str, Any]) -> None:
    """Raise for a value that no server could take; None is always the default.

    Raises:
        ValueError: A value is of the wrong type or out of its range; the text names the setting.
    """
    for name, value in values.items():
        if value is None or (value.__class__ in _NOT_GIVEN and name not in OWN_SETTINGS):
            continue
        if name in _RANGES:
            _check_number(name, value, _RANGES[name])
        elif name in _SWITCHES and not isinstance(value, bool):  # llama.cpp answers 400, and "false" is truthy
            raise ValueError(f"{name} must be True, False or None, not {value!r}")
        elif name in _WORDS and value not in _WORDS[name]:
            words = " or ".join(f'"{word}"' for word in _WORDS[name])
            raise ValueError(f"{name} must be {words}, not {value!r}{_suggest(str(value), _WORDS[name])}")
        elif name in _FORMS:
            _check_form(name, value)


def _check_form(name: str, value: Any) -> None:
    """Raise for a value that is not of its setting's type."""
    if name in _OBJECTS:
        _check_object(name, value)
    elif name in _LISTS:
        _check_tools(name, value)
    elif name == "stop":
        _check_stop(value)
    elif name == "stream_chunk_timeout" and not (isinstance(value, int | float) and value >= 0):
        raise ValueError(f"stream_chunk_timeout must be seconds, 0 or more, or None for no limit, not {value!r}")
    elif name == "disabled_params":
        _check_disabled(value)
    elif name == "model_line":
        resolve_line("", model_line=str(value))
    elif name in _TEXTS and not isinstance(value, str):
        wanted = 'a word such as "low" or "high", or None' if name == "reasoning_effort" else "a text"
        raise ValueError(f"{name} must be {wanted}, not {value!r}")


def _check_object(name: str, value: Any) -> None:
    is_schema = name == "response_format" and isinstance(value, type)
    is_switch = name == "reasoning" and isinstance(value, bool)  # ChatOllama's
    if is_switch or (value and not (isinstance(value, Mapping) or is_schema)):
        advice = f": {SWITCH_ADVICE}" if name == "reasoning" else ""
        given = name_type(value) if name in _MAY_HOLD_KEYS else repr(value)
        raise ValueError(f"{name} must be a dict, not {given}{advice}")
    if name == "extra_body" and value and value.get(name):
        raise ValueError("extra_body has another extra_body in it: put the inner one's fields into the outer one")
    if name == "structured_output" and value and not ("name" in value and isinstance(value.get("schema"), Mapping)):
        raise ValueError("structured_output has no name and schema: call with_structured_output, which binds them")


def _check_stop(stop: Any) -> None:
    if not (isinstance(stop, Sequence) and all(isinstance(text, str) for text in stop)):
        raise ValueError(f"stop must be a text or a list of texts, not {stop!r}")
    if not isinstance(stop, str) and "" in stop:  # it is in every reply; vLLM answers 400
        raise ValueError(f"stop[{stop.index('')}] must be a text that is not empty")


def _check_tools(name: str, tools: Any) -> None:
    if tools and (isinstance(tools, (str, Mapping)) or not isinstance(tools, Sequence)):
        raise ValueError(f"{name} must be a list of dicts, not {tools!r}")
    for index, tool in enumerate(tools or ()):
        if not isinstance(tool, Mapping):
            raise ValueError(  # noqa: TRY004 # whatever its type, it is a bad setting
                f"{name}[{index}] must be a dict, not {tool!r}: bind_tools converts functions and classes"
            )


def _check_disabled(disabled: Any) -> None:
    if not isinstance(disabled, Mapping):
        raise ValueError(f"disabled_params must be a dict of lists, not {disabled!r}")  # noqa: TRY004  # a bad setting
    known = _list_parameters()
    for name, values in disabled.items():
        if name not in known:
            raise ValueError(f"disabled_params names {name!r}, which is no parameter{_suggest(name, known)}")
        if values is not None and not isinstance(values, list | tuple | set | frozenset):
            raise ValueError(f"disabled_params[{name!r}] must be a list of values, or None for any, not {values!r}")


def _check_number(name: str, value: Any, allowed: _Range) -> None:
    low, high, kind, advice = allowed
    is_number: bool = isinstance(value, kind) and not isinstance(value, bool)
    if not is_number or not low <= value < inf or (high is not None and value > high):  # NaN is in no range
        limits = "" if low == -inf else f"{low} to {high}" if high is not None else f"{low} or more"
        number = "a whole number" if kind is Integral else ""
        raise ValueError(f"{name} must be {', '.join(filter(None, (number, limits)))}{advice}, not {value!r}")
