"""The options of a batch."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import ConfigurableField

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.batch import BatchOptions, run_batch
from langchain_qwen3.batch.requester import Requester
from tests.support.scripted import Answer, Scripted

LLM = ChatQwen3(model="q", base_url="http://pod.test/v1", server="vllm")


@pytest.mark.parametrize(
    "option",
    [
        {"concurrency": "auto"},
        {"concurrency": 0},
        {"concurrency": -1},
        {"concurrency": 1.5},
        {"retries": -1},
        {"retries": "4"},
        {"patience": -1},
        {"patience": float("nan")},
        {"system": 5},
        {"schema": "a.json"},
        {"settings": None},
    ],
)
def test_names_the_option_when_its_value_is_wrong(option: dict[str, Any]):
    """Protects from a run that hangs, or fails at its first error, because of an option."""
    with pytest.raises(ValueError, match=next(iter(option))):
        BatchOptions(**option)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"llm": None}, "llm: pass a ChatQwen3, not a NoneType"),
        ({"llm": "Qwen/Qwen3-8B"}, "llm: pass a ChatQwen3, not a str"),
        ({"options": {"concurrency": 4}}, r"options: pass BatchOptions\(\.\.\.\), or None, not a dict"),
        ({"options": 4}, r"options: pass BatchOptions\(\.\.\.\), or None, not an int"),
        ({"on_result": []}, "on_result: pass a function of a result and the counts, or None, not a list"),
        ({"on_result": "print"}, "on_result: pass a function .*, not a str"),
    ],
)
def test_names_the_argument_of_another_type_before_any_row_is_sent(wrong: dict[str, Any], text: str, tmp_path: Path):
    """Protects from an AttributeError, and from a callback that fails when the first answer was paid for."""
    llm = ChatQwen3(model="q", base_url="http://127.0.0.1:9/v1", server="vllm")
    output = tmp_path / "answers.jsonl"
    with pytest.raises(TypeError, match=f"^{text}$"):
        run_batch(**{"llm": llm, "source": ["hi"], "output": output, **wrong})
    assert not output.exists()


@pytest.mark.parametrize(
    ("fields", "settings"), [({"n": 3}, {}), ({}, {"n": 2}), ({"model_kwargs": {"n": 2}}, {}), ({"n": 1}, {"n": 4})]
)
def test_refuses_several_answers_for_a_row_when_model_or_options_ask_for_them(fields: Any, settings: dict[str, Any]):
    """Protects answers that were paid for: a result holds one, and the others were dropped."""
    llm = ChatQwen3(model="q", base_url="http://pod.test/v1", server="vllm", **fields)
    with pytest.raises(ValueError, match=r"n is \d: a row has one answer"):
        Requester(llm, BatchOptions(settings=settings))
    assert Requester(llm.model_copy(update={"n": 1}), BatchOptions())


def test_refuses_several_answers_for_a_row_when_they_are_bound():
    """Protects answers that were paid for: what is bound is a setting of every call, too."""
    with pytest.raises(ValueError, match=r"n is 2: a row has one answer"):
        Requester(LLM.bind(n=2), BatchOptions())
    assert Requester(LLM.bind(n=2), BatchOptions(settings={"n": 1}))


BOUND: dict[str, Callable[[ChatQwen3], Any]] = {
    "the model": lambda llm: llm,
    "settings": lambda llm: llm.bind(stop=["."]),
    "tools": lambda llm: llm.bind_tools([{"name": "f", "description": "", "parameters": {}}]),
    "a config": lambda llm: llm.with_config(tags=["a"]),
    "listeners over settings": lambda llm: llm.bind(stop=["."]).with_listeners(),
    "fields of a config": lambda llm: llm.configurable_fields(temperature=ConfigurableField("t")),
    "retries": lambda llm: llm.with_retry(stop_after_attempt=3),
    "settings over retries": lambda llm: llm.with_retry(stop_after_attempt=3).bind(stop=["."]),
}


@pytest.mark.parametrize("bind", BOUND.values(), ids=BOUND)
def test_tries_a_row_as_often_as_the_options_say_when_something_is_bound(bind: Any, tmp_path: Path):
    """Protects the server: a model with bound settings went on to retry by itself, unseen by the pace of the batch."""
    with Scripted(lambda _: Answer(message={"error": {"message": "Overloaded"}}, status=500)) as server:
        llm = ChatQwen3(model="q", base_url=server.url, server="vllm", max_retries=2)
        summary = run_batch(bind(llm), ["hi"], tmp_path / "answers.jsonl", options=BatchOptions(retries=0))
    assert (summary.failed, len(server.requests)) == (1, 1)


@pytest.mark.parametrize(
    "chain", [LLM | str, LLM.with_structured_output({"title": "A", "type": "object"}), (LLM | str).bind(stop=["."])]
)
def test_refuses_a_chain_by_name(chain: Any):
    """Protects from an AttributeError: a batch sends the requests itself, and has its own option for a schema."""
    with pytest.raises(TypeError, match=r"^llm: pass a ChatQwen3, not a RunnableSequence; .*BatchOptions\(schema="):
        Requester(chain, BatchOptions())


def test_goes_to_another_machine_when_pickled():
    """Protects batches on a cluster."""
    options = BatchOptions(concurrency=2, patience=float("inf"), schema={"type": "object"})
    assert pickle.loads(pickle.dumps(options)) == options  # noqa: S301  # the test's own bytes
