"""Structured output: the model requests a schema, the parser reads the answer.

The request's form depends on the server, which is known only when a call is made. So `with_structured_output` binds the
plain `structured_output` mapping; `request.schema` turns it into a `response_format` or a forced tool, and
`reply.structured_parser` reads either. The model's own settings are unchanged, thinking included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import Runnable, RunnableGenerator

from langchain_qwen3.call import METHODS, Method
from langchain_qwen3.reply.structured_parser import StructuredOutputParser
from langchain_qwen3.request.schema import build_function, is_pydantic, read_schema, write_structured


def build_structured_runnable(  # noqa: PLR0913 # the arguments of LangChain's with_structured_output
    model: Any,
    schema: Any,
    /,
    *,
    method: Method | None = None,
    include_raw: bool = False,
    strict: bool | None = None,
    tools: Sequence[Any] | None = None,
    **kwargs: Any,
) -> Runnable[Any, Any]:
    """Return a runnable that requests `schema` from `model` and parses the answer.

    The model is bound, never modified; it may have bound settings. For the arguments see
    `Bindable.with_structured_output`.
    """
    if method is not None and method not in METHODS:
        raise ValueError(f"method={method!r} is unknown: use one of {', '.join(METHODS)} or None")
    if method == "json_mode" and strict is not None:
        raise ValueError("strict has no effect with method='json_mode': leave it out or use 'json_schema'")
    if schema is None and method != "json_mode":
        raise ValueError("schema may be None only with method='json_mode'")
    spec = read_schema(schema, strict=strict)
    if "constraint" in kwargs:
        method = "json_schema"
    else:
        if method is not None:
            spec["method"] = method
            write_structured(spec, method)  # raises for what this method cannot ask of any server
        kwargs["structured_output"] = spec
    kwargs["ls_structured_output_format"] = {
        "kwargs": {"method": method, "strict": strict},
        # Core writes traces with its own converter, at every call: it takes a pydantic class, which langchain-tests
        # compares, but it warns of some dataclasses, and raises for others and for some TypedDicts.
        "schema": schema if is_pydantic(schema) else {"type": "function", "function": build_function(spec)},
    }
    asking: Runnable[Any, Any] = model.bind_tools(tools, **kwargs) if tools else model.bind(**kwargs)
    parser = StructuredOutputParser(
        output=schema,
        name=spec["name"],
        method=method,
        objects=spec["schema"].get("type") == "object" or "properties" in spec["schema"],
        has_tools=bool(tools or getattr(model, "kwargs", {}).get("tools")),
    )
    if include_raw:
        return asking | RunnableGenerator(parser.keep_raw, parser.akeep_raw)
    return asking | parser
