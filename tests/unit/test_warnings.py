"""Warnings are given once, point at the caller's own line, and are errors on every call where they are errors."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import pytest
from langchain_core.output_parsers import StrOutputParser

from langchain_qwen3 import ChatQwen3, UnsupportedSettingWarning
from langchain_qwen3._warnings import forget_warnings, warn_once


def build() -> ChatQwen3:
    """A model that never thinks, told to think."""
    return ChatQwen3(
        model="Qwen3-30B-A3B-Instruct-2507", server="vllm", base_url="http://127.0.0.1:9/v1", max_retries=0, api_key="x"
    )


def ask(model: Any) -> None:
    """Call the model in vain: the warning comes before the connection."""
    with pytest.raises(Exception, match="onnect"):
        model.invoke("hi", enable_thinking=True)


def test_points_at_the_callers_line_when_it_warns() -> None:
    """Protects users from a line number inside this package, which says nothing about their code."""
    for model in (build(), build().bind(seed=1), build() | StrOutputParser()):
        forget_warnings()
        with pytest.warns(UnsupportedSettingWarning, match="never thinks") as caught:
            ask(model)
        assert caught[0].filename == __file__
        assert caught[0].lineno == inspect.getsourcelines(ask)[1] + 3


def test_raises_on_every_call_when_warnings_are_errors() -> None:
    """Protects `python -W error`: the second call fails like the first, it does not pass in silence."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(UnsupportedSettingWarning, match="never thinks"):
                build().invoke("hi", enable_thinking=True)


def test_warns_once_when_it_comes_up_again() -> None:
    """Protects logs from a line with every call."""
    with pytest.warns(UnsupportedSettingWarning, match="never thinks"):
        ask(build())
    ask(build())  # here, a warning would be an error


def test_memory_is_bounded_when_ever_new_texts_come_up() -> None:
    """Protects services that meet ever new models: what was said is remembered of the newest texts alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(3000):
            warn_once(f"text {number}")
    assert warn_once.cache_info().currsize <= 1024
