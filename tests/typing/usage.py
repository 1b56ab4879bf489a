"""Code as users write it, which type checkers must understand: `assert_type` says what they have to infer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict, assert_type

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import ConfigurableField, Runnable
from pydantic import BaseModel, SecretStr

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.binding import StructuredReply


class Person(BaseModel):
    """A pydantic class."""

    name: str


class PersonDict(TypedDict):
    """A TypedDict."""

    name: str


@dataclass
class PersonData:
    """A dataclass."""

    name: str


SCHEMA: dict[str, Any] = {"title": "Person", "type": "object"}


def read_key() -> str:
    """Return a key."""
    return "key"


async def read_key_later() -> str:
    """Return a key, later."""
    return "key"


llm = ChatQwen3(model="Qwen/Qwen3-8B", api_key="EMPTY", max_tokens=5, stop="x", server="vllm", timeout=3)
ChatQwen3(model="q", api_key=SecretStr("k"), stop=["x"], base_url="http://localhost:8000/v1", enable_thinking=False)
ChatQwen3(model="q", api_key=read_key, max_completion_tokens=5, extra_body={"top_k": 3})
ChatQwen3(model="q", api_key=read_key_later, sampling="recommended", transport="httpx", timeout=(3.0, 60.0))
ChatQwen3()

assert_type(llm.invoke("hi"), AIMessage)
assert_type(llm.with_structured_output(Person).invoke("hi"), Person)
assert_type(llm.with_structured_output(PersonData).invoke("hi"), PersonData)
assert_type(llm.with_structured_output(PersonDict).invoke("hi"), PersonDict)
assert_type(llm.with_structured_output(SCHEMA).invoke("hi"), dict[str, Any])
assert_type(llm.with_structured_output(method="json_mode").invoke("hi"), dict[str, Any])
assert_type(llm.with_structured_output(Person, tools=[read_key]).invoke("hi"), Person | None)
assert_type(llm.with_structured_output(Person, include_raw=True).invoke("hi"), StructuredReply[Person])
assert_type(llm.with_structured_output(Person, include_raw=True).invoke("hi")["parsed"], Person | None)
assert_type(llm.with_structured_output(SCHEMA, include_raw=True).invoke("hi")["raw"], AIMessage)
assert_type(llm.bind(seed=7).with_structured_output(Person).invoke("hi"), Person)
assert_type(llm.bind(seed=7).invoke("hi"), AIMessage)
assert_type(llm.bind(seed=7).batch(["hi"]), list[AIMessage])
assert_type(llm.bind_tools([read_key]), Runnable[LanguageModelInput, AIMessage])

chosen = llm.configurable_fields(enable_thinking=ConfigurableField("thinking"))
assert_type(chosen.with_structured_output(Person).invoke("hi"), Person)
assert_type(chosen.bind(seed=7).with_structured_output(Person).invoke("hi"), Person)

chosen_model = llm.configurable_alternatives(ConfigurableField("which"), other=ChatQwen3(model="q"))
either = llm.with_fallbacks([ChatQwen3(model="q")])
assert_type(llm.with_config(tags=["a"]).with_config(tags=["b"]).invoke("hi"), AIMessage)
assert_type(llm.bind(seed=7).with_config(tags=["a"]).with_structured_output(Person).invoke("hi"), Person)
assert_type(llm.with_retry(stop_after_attempt=2).with_config(tags=["a"]).invoke("hi"), AIMessage)
assert_type(llm.with_listeners(on_end=lambda _run: None).invoke("hi"), AIMessage)
assert_type(chosen.invoke("hi"), AIMessage)
assert_type(chosen.with_config(configurable={"thinking": True}).with_structured_output(Person).invoke("hi"), Person)
assert_type(chosen_model.invoke("hi"), AIMessage)
assert_type(chosen_model.with_config(configurable={"which": "other"}).bind_tools([read_key]).invoke("hi"), AIMessage)
assert_type(either.with_retry().with_config(tags=["a"]).invoke("hi"), AIMessage)
assert_type(either.with_structured_output(Person).invoke("hi"), Any)
assert_type(chosen_model.with_structured_output(Person).invoke("hi"), Any)


def ask_raw(include_raw: bool) -> Any:
    """Ask for the raw reply or not, as is known only when the program runs."""
    person = llm.with_structured_output(Person, include_raw=include_raw).invoke("hi")
    data = llm.with_structured_output(SCHEMA, include_raw=include_raw, tools=[read_key]).invoke("hi")
    return (person["parsed"], data["parsed"]) if include_raw else (person, data)


def ask_either(schema: type[Person] | dict[str, Any], found: type[Person] | None) -> None:
    """Ask with a schema that is known only when the program runs."""
    assert_type(llm.with_structured_output(schema).invoke("hi"), Person | dict[str, Any])
    assert_type(llm.with_structured_output(found).invoke("hi"), Person | dict[str, Any])


async def aask() -> None:
    """Ask in every way."""
    assert_type(await llm.ainvoke("hi"), AIMessage)
    assert_type(await llm.with_structured_output(Person).ainvoke("hi"), Person)
    async for person in llm.with_structured_output(Person).astream("hi"):
        assert_type(person, Person)
