"""Reads the values of an XML call, as written by Qwen3-Coder and Qwen3.5 or newer.

The chat templates write strings unchanged and everything else as JSON, so the tool's JSON schema decides a value's
type.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from langchain_qwen3.reply.tool_calls.arguments import read_json_value

_TYPES: dict[str, type | tuple[type, ...]] = {
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
_ESCAPE = re.compile(r"""\\[\\'"nrt]""")  # Python warns of those that it does not know
_MAX_PYTHON = 100_000  # characters; Python parses its own spelling slowly


def read_value(text: str, name: str, schema: Mapping[str, Any]) -> Any:
    """Return one value in the type its schema requires; text that is not of that type stays text.

    Args:
        text: The value, without the newline on either side.
        name: The parameter's name.
        schema: The JSON schema of the tool's parameters.
    """
    types = _find_types((schema.get("properties") or {}).get(name), schema)
    word = text.strip()
    if types - {"string"}:
        try:
            value = _read_json_or_python(word)
        except ValueError:
            return text
        if isinstance(value, float) and value.is_integer() and "number" not in types:
            value = int(value)
        for kind in types - {"string"}:
            if isinstance(value, _TYPES[kind]) and isinstance(value, bool) == (kind == "boolean"):
                return value
    return text


def map_schemas(tools: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the JSON schema of each wire tool's parameters by the tool's name; a server's own tool has none."""
    return {own["name"]: own.get("parameters") or {} for tool in tools if (own := tool.get("function"))}


def fit_arguments(args: dict[str, Any], name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call as the tool's schema has them, if a parser left them in another form.

    They may be the whole call once more (https://github.com/ollama/ollama/issues/11805). A value that the schema allows
    no text for may be JSON in a text (https://github.com/vllm-project/vllm/issues/46924).
    """
    properties, inner = schema.get("properties") or {}, args.get("arguments")
    if isinstance(inner, dict) and args == {"name": name, "arguments": inner} and "arguments" not in properties:
        args = inner
    return {
        key: read_value(value, key, schema)
        if isinstance(value, str) and "string" not in _find_types(properties.get(key), schema)
        else value
        for key, value in args.items()
    }


def _read_json_or_python(text: str) -> Any:
    """Return a value in JSON, or in Python's spelling, which Qwen3-Coder also writes (`True`, `['a', 'b']`).

    vLLM's parser takes both: https://github.com/vllm-project/vllm, `vllm/tool_parsers/qwen3coder_tool_parser.py`.

    Raises:
        ValueError: It is neither.
    """
    text = {"True": "true", "False": "false", "None": "null"}.get(text, text)
    try:
        return read_json_value(text)
    except ValueError:
        if not text.startswith(("[", "{")) or len(text) > _MAX_PYTHON or "\\" in _ESCAPE.sub("", text):
            raise
    try:
        return read_json_value(json.dumps(ast.literal_eval(text)))
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("it is neither JSON nor Python") from error


def _find_types(schema: Any, root: Mapping[str, Any], depth: int = 0) -> set[str]:
    """Return the JSON types a schema allows, through `$ref` and unions."""
    if not isinstance(schema, Mapping) or depth > 8:  # noqa: PLR2004 # deeper only in schemas that refer to themselves
        return set()
    kind = schema.get("type")
    types = {kind} if isinstance(kind, str) else set(kind or ())
    parts = [part for key in ("anyOf", "oneOf", "allOf") for part in schema.get(key) or ()]
    if isinstance(reference := schema.get("$ref"), str):
        target: Any = root
        for step in reference.removeprefix("#/").split("/"):
            target = target.get(step) if isinstance(target, Mapping) else None
        parts.append(target)
    for part in parts:
        types |= _find_types(part, root, depth + 1)
    return types & {"string", *_TYPES}
