"""Converts TypedDicts and dataclasses to OpenAI functions, with what core's own way loses. Pure."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any, NotRequired, Required, get_origin, get_type_hints

from langchain_core.utils.function_calling import convert_to_openai_function
from pydantic import PydanticUserError, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from langchain_qwen3.request.json_schema import place_root

_TEXT_OF_DICT = inspect.getdoc(dict)


def read_typed_dict(schema: Any) -> Mapping[str, Any]:
    """Return an OpenAI function for a TypedDict; core's way, through pydantic 1, lacks NotRequired and its classes.

    Raises:
        ValueError: It has no JSON schema.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # pydantic 1 warns of classes of pydantic 2, then raises
            function = convert_to_openai_function(schema)
    except (TypeError, RuntimeError):
        return convert_type(schema)
    parameters = function["parameters"]
    if required := parameters.pop("required", ()):  # core ignores total=False
        parameters["required"] = [name for name in required if name in schema.__required_keys__]
    cleaned: Mapping[str, Any] = _correct(function)
    return cleaned


def _correct(schema: Any) -> Any:
    """Return core's schema of a TypedDict without the text of `dict`, which it takes for that of one without a text.

    The form that it has for a tuple, a list under `items`, is no longer JSON schema: strict servers refuse it.
    """
    if isinstance(schema, list):
        return [_correct(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    is_tuple = schema.get("type") == "array" and isinstance(schema.get("items"), list)  # no default that has the key
    return {
        "prefixItems" if is_tuple and name == "items" else name: _correct(part)
        for name, part in schema.items()
        if part != _TEXT_OF_DICT
    }


class _WithCoresHints(GenerateJsonSchema):
    """Adds the default and the text that core finds in a hint of a TypedDict: `Annotated[int, default, "text"]`."""

    def typed_dict_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of one TypedDict, the outer one or one inside."""
        written, cls = super().typed_dict_schema(schema), schema.get("cls")
        hints = get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True) if cls else {}
        for name in written["properties"].keys() & hints:
            inner = hints[name].__args__[0] if get_origin(hints[name]) in (Required, NotRequired) else hints[name]
            default, text = (*getattr(inner, "__metadata__", ()), ..., None)[:2]
            if isinstance(text, str):
                written["properties"][name].setdefault("description", text)
            if isinstance(text, str) and isinstance(default, (str, int, float, list, dict, type(None))):
                written["required"] = [other for other in written.get("required", ()) if other != name]
        return written


def convert_type(schema: Any) -> Mapping[str, Any]:
    """Return an OpenAI function for a dataclass or a TypedDict, through pydantic 2.

    Raises:
        ValueError: It has no JSON schema.
    """
    try:
        parameters = place_root(TypeAdapter(schema).json_schema(schema_generator=_WithCoresHints))
    except PydanticUserError as error:
        raise ValueError(f"{schema.__name__} has no JSON schema: {error.message} Or pass a pydantic class.") from None
    return convert_to_openai_function({**parameters, "title": schema.__name__})
