"""The thinking switch: which fields are sent for which checkpoint on which server, and which warnings are given."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

from langchain_qwen3._warnings import UnsupportedSettingWarning
from langchain_qwen3.profiles import find_line
from langchain_qwen3.request.thinking import Thinking, expects_thinking, resolve_thinking, write_thinking
from langchain_qwen3.servers.dialects import DIALECTS
from langchain_qwen3.servers.engines import LLAMA_CPP, LM_STUDIO, MLX_LM, OLLAMA, SGLANG, TGI, TRANSFORMERS, VLLM
from langchain_qwen3.servers.gateways import GENERIC, LITELLM, ONE_API
from langchain_qwen3.servers.hosts import DASHSCOPE, NVIDIA, OPENROUTER, SILICONFLOW

if TYPE_CHECKING:
    from langchain_qwen3.servers.dialect import Dialect

HYBRID = "Qwen/Qwen3-8B"
ALWAYS = "Qwen/Qwen3-30B-A3B-Thinking-2507"
NEVER = "Qwen/Qwen3-30B-A3B-Instruct-2507"
EFFORTS = "Qwen/Qwen3.8-27B"


def write(model: str, dialect: Dialect, **settings: Any) -> dict[str, Any]:
    """The fields that a setting becomes."""
    line = find_line(model, dialect.name)
    payload: dict[str, Any] = {}
    write_thinking(payload, resolve_thinking(Thinking(**settings), dialect, line, model), dialect, line)
    return payload


def test_sends_nothing_when_nothing_was_asked():
    """Protects servers' own defaults, on every dialect."""
    assert all(write(HYBRID, dialect) == {} for dialect in DIALECTS.values())


@pytest.mark.parametrize("enabled", [True, False])
def test_sends_both_common_spellings_when_the_server_is_unknown(enabled: bool):
    """Protects pods that want the top-level field, and engines that want the template's."""
    payload = write(HYBRID, GENERIC, enabled=enabled, return_reasoning=False)
    settings = {"return_reasoning": False} if enabled else {}
    assert payload == {"chat_template_kwargs": {"enable_thinking": enabled}, "enable_thinking": enabled, **settings}


@pytest.mark.parametrize("dialect", [VLLM, DASHSCOPE, OLLAMA, GENERIC], ids=lambda row: row.name)
def test_warns_and_sends_nothing_when_a_thinking_only_checkpoint_is_switched_off(dialect: Dialect):
    """Protects from a 400 (DashScope) and from silence: the warning names the checkpoint."""
    with pytest.warns(UnsupportedSettingWarning, match=r"Thinking-2507 .* always thinks"):
        assert write(ALWAYS, dialect, enabled=False) == {}


@pytest.mark.parametrize("dialect", [VLLM, DASHSCOPE, OLLAMA, GENERIC], ids=lambda row: row.name)
def test_warns_and_sends_nothing_when_a_checkpoint_that_never_thinks_is_told_to(dialect: Dialect):
    """Protects from a 400 (DashScope, Ollama) and from silence."""
    with pytest.warns(UnsupportedSettingWarning, match=r"Instruct-2507 .* never thinks"):
        assert write(NEVER, dialect, enabled=True) == {}


def test_tells_the_template_alone_when_a_checkpoint_that_never_thinks_is_switched_off():
    """Protects vLLM's parser, which reads the flag, and hosted APIs, which answer 400 to it; no warning: it is so."""
    off = {"chat_template_kwargs": {"enable_thinking": False}}
    assert write(NEVER, VLLM, enabled=False) == off
    assert write(NEVER, GENERIC, enabled=False) == off
    assert write(NEVER, DASHSCOPE, enabled=False) == {}
    assert write(NEVER, OLLAMA, enabled=False) == {}


def test_warns_once_when_a_setting_is_ignored_again_and_again():
    """Protects logs of long batches, and the first reader."""
    with pytest.warns(UnsupportedSettingWarning, match="enable_thinking has no effect on Text Generation") as record:
        assert [write(HYBRID, TGI, enabled=False) for _ in range(3)] == [{}, {}, {}]
    assert len(record) == 1
    assert "/no_think" in str(record[0].message)


def test_keeps_expecting_reasoning_when_the_server_cannot_switch_it_off():
    """Protects the reply: TGI thinks on, so its reasoning is not the answer in the wrong field."""
    line = find_line(HYBRID)
    with pytest.warns(UnsupportedSettingWarning):
        thinking = resolve_thinking(Thinking(enabled=False), TGI, line, HYBRID)
    assert expects_thinking(thinking, line)


@pytest.mark.parametrize(
    ("model", "enabled", "expected"),
    [
        (HYBRID, None, True),
        (HYBRID, False, False),
        ("Qwen/Qwen3.5-0.8B", None, False),
        ("Qwen/Qwen3.5-0.8B", True, True),
        (NEVER, None, False),
        (ALWAYS, None, True),
        ("my-alias", None, None),
    ],
)
def test_expects_reasoning_by_the_checkpoints_default_when_the_switch_is_not_set(
    model: str, enabled: bool | None, expected: bool | None
):
    """Protects answers in vLLM's `reasoning` field on models that are off by default, and says nothing of aliases."""
    line = find_line(model)
    thinking = resolve_thinking(Thinking(enabled=enabled), VLLM, line, model)
    assert expects_thinking(thinking, line) is expected


@pytest.mark.parametrize("dialect", [OPENROUTER, LM_STUDIO, GENERIC, VLLM, DASHSCOPE], ids=lambda row: row.name)
@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("Qwen/Qwen3.5-0.8B", "high", True),
        ("qwen-plus", "low", True),
        ("my-alias", "high", True),
        ("Qwen/Qwen3.5-0.8B", "none", False),
        (NEVER, "high", False),
    ],
)
@pytest.mark.filterwarnings("ignore::langchain_qwen3.UnsupportedSettingWarning")
def test_expects_reasoning_when_an_effort_switches_it_on(dialect: Dialect, model: str, effort: str, expected: bool):
    """Protects reasoning of models that are off by default: streams held it back, and alone it was the answer."""
    line = find_line(model)
    thinking = resolve_thinking(Thinking(effort=effort), dialect, line, model)
    assert expects_thinking(thinking, line) is expected


@pytest.mark.parametrize(
    ("word", "sent"), [("max", "xhigh"), ("high", "xhigh"), ("minimal", "low"), ("medium", "medium")]
)
def test_translates_the_effort_when_the_template_knows_three_words(word: str, sent: str):
    """Protects from 3.8's template, which raises on every other word."""
    assert write(EFFORTS, VLLM, effort=word) == {"reasoning_effort": sent}
    assert write(EFFORTS, LLAMA_CPP, effort=word) == {"chat_template_kwargs": {"reasoning_effort": sent}}


def test_names_the_words_when_the_effort_is_none_of_them():
    """Protects from a 400 whose text comes from a template."""
    with pytest.raises(ValueError, match=r"reasoning_effort must be one of .*xhigh, medium, low .*'lots'"):
        write(EFFORTS, VLLM, effort="lots")


def test_switches_off_when_the_effort_is_none():
    """Protects OpenAI's spelling of off, on every server that has one; an explicit switch wins."""
    assert write(EFFORTS, VLLM, effort="none") == {"chat_template_kwargs": {"enable_thinking": False}}
    assert write(EFFORTS, OLLAMA, effort="none") == {"reasoning_effort": "none"}
    assert write(EFFORTS, OPENROUTER, effort="none") == {"reasoning": {"enabled": False}}
    assert write(EFFORTS, DASHSCOPE, effort="none", enabled=True) == {"enable_thinking": True}


def test_says_that_effort_is_only_a_switch_when_the_template_has_no_degrees():
    """Protects from the belief that "low" thinks less on Qwen3, and still switches thinking on."""
    with pytest.warns(UnsupportedSettingWarning, match="thinking_budget"):
        assert write(HYBRID, VLLM, effort="low") == {"chat_template_kwargs": {"enable_thinking": True}}
    assert write(HYBRID, OPENROUTER, effort="low") == {"reasoning": {"effort": "low"}}
    assert write("my-alias", VLLM, effort="low") == {"reasoning_effort": "low"}


@pytest.mark.parametrize("dialect", [DASHSCOPE, OPENROUTER], ids=lambda row: row.name)
def test_names_both_fields_when_budget_and_effort_exclude_each_other(dialect: Dialect):
    """Protects from a 400 that would not say which two settings met."""
    with pytest.raises(ValueError, match="thinking_budget or reasoning_effort"):
        write(EFFORTS, dialect, budget=100, effort="low")
    assert write(EFFORTS, dialect, budget=100, effort="low", enabled=False)


@pytest.mark.parametrize(
    ("model", "settings", "effort", "switch"),
    [
        (HYBRID, {"enabled": False}, "none", False),
        (HYBRID, {"effort": "none"}, "none", False),
        (HYBRID, {"budget": 0}, "none", False),
        (EFFORTS, {"effort": "none"}, "none", False),
        (EFFORTS, {"effort": "low"}, "low", None),
        (EFFORTS, {"enabled": True}, None, True),  # "medium" would be less than its default
        (EFFORTS, {"enabled": True, "effort": "high"}, "xhigh", True),
        ("my-alias", {"effort": "none"}, "none", False),
        (HYBRID, {"enabled": True}, "medium", True),
        (HYBRID, {}, None, None),
    ],
)
def test_sends_the_switch_in_every_spelling_when_one_api_is_in_between(
    model: str, settings: dict[str, Any], effort: str | None, switch: bool | None
):
    """Protects the switch from one-api: most channels pass on all of it, the others only the effort."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sent = write(model, ONE_API, **settings)
    assert sent.get("reasoning_effort") == effort
    assert sent.get("enable_thinking") is switch
    assert sent.get("chat_template_kwargs") == (None if switch is None else {"enable_thinking": switch})


def test_other_words_of_the_effort_are_sent_when_one_is_refused():
    """Protects the user's own effort, and "on", from a server behind a gateway that has no word for "off"."""
    row = ONE_API.without(frozenset({"reasoning_effort=none"}))
    sent = [write(HYBRID, row, enabled=enabled) for enabled in (False, True)]
    assert [payload.get("reasoning_effort") for payload in sent] == [None, "medium"]
    assert [payload["enable_thinking"] for payload in sent] == [False, True]
    assert write(EFFORTS, row, effort="low") == {"reasoning_effort": "low"}
    assert "reasoning_effort" not in write(HYBRID, ONE_API.without(frozenset({"reasoning_effort"})), enabled=True)


def test_sends_no_refusable_switch_through_one_api_when_the_model_never_thinks():
    """Protects from a 400 of the host behind it; vLLM's parser needs the template's switch."""
    assert write(NEVER, ONE_API, enabled=False) == {"chat_template_kwargs": {"enable_thinking": False}}


@pytest.mark.parametrize(
    ("dialect", "sent"),
    [
        (VLLM, {"thinking_token_budget": 0}),
        (LLAMA_CPP, {"thinking_budget_tokens": 0}),
        (DASHSCOPE, {"enable_thinking": False}),
        (SILICONFLOW, {"enable_thinking": False}),
        (OLLAMA, {"reasoning_effort": "none"}),
        (SGLANG, {"chat_template_kwargs": {"enable_thinking": False}}),
        (NVIDIA, {"chat_template_kwargs": {"enable_thinking": False}}),
        (LITELLM, {"chat_template_kwargs": {"enable_thinking": False}, "enable_thinking": False}),
        (GENERIC, {"chat_template_kwargs": {"enable_thinking": False}, "enable_thinking": False}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_means_no_thinking_when_the_budget_is_zero(dialect: Dialect, sent: dict[str, Any]):
    """Protects an explicit 0: sent where the server is known to take it, else thinking is switched off."""
    assert write(HYBRID, dialect, budget=0) == sent


@pytest.mark.parametrize(
    ("dialect", "settings", "text"),
    [
        (SILICONFLOW, {"budget": 100}, "128 to 32768 tokens on SiliconFlow"),
    ],
)
def test_names_the_field_when_a_setting_is_out_of_its_range(dialect: Dialect, settings: dict[str, Any], text: str):
    """Protects from a server's 400 to a budget that others take."""
    with pytest.raises(ValueError, match=text):
        write(HYBRID, dialect, **settings)


def test_says_that_a_budget_is_no_switch_when_the_checkpoint_does_not_think_by_itself():
    """Protects from the belief that a budget makes a model think that is off by default; it is sent all the same."""
    with pytest.warns(UnsupportedSettingWarning, match="does not think without enable_thinking=True"):
        assert write("Qwen/Qwen3.5-0.8B", VLLM, budget=64) == {"thinking_token_budget": 64}
    assert write("Qwen/Qwen3.5-0.8B", VLLM, budget=64, enabled=True)["thinking_token_budget"] == 64
    assert write(HYBRID, VLLM, budget=64) == {"thinking_token_budget": 64}


@pytest.mark.parametrize("dialect", [VLLM, DASHSCOPE, SGLANG, MLX_LM, TRANSFORMERS], ids=lambda row: row.name)
def test_advises_a_budget_instead_of_an_effort_when_the_server_has_one(dialect: Dialect):
    """Protects from advice that the next warning takes back: many engines have no thinking budget."""
    with pytest.warns(UnsupportedSettingWarning, match="has no effort levels") as record:
        write(HYBRID, dialect, effort="low")
    assert ("thinking_budget" in str(record[0].message)) == bool(dialect.budget)


def test_sends_no_budget_when_thinking_is_off():
    """Protects a call with thinking off on a model that has a budget: no 400, no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert write(HYBRID, VLLM, enabled=False, budget=100, effort="low") == {
            "chat_template_kwargs": {"enable_thinking": False}
        }


def test_keeps_the_history_switch_when_thinking_is_off():
    """Protects the prompt's prefix: preserve_thinking shapes earlier turns whatever this one does."""
    payload = write(EFFORTS, VLLM, enabled=False, preserve=True)
    assert payload == {"chat_template_kwargs": {"enable_thinking": False, "preserve_thinking": True}}
    assert write("qwen3.6-plus", DASHSCOPE, preserve=True) == {"preserve_thinking": True}


def test_warns_when_the_template_drops_earlier_reasoning_anyway():
    """Protects from a preserve_thinking that Qwen3's and 3.5's templates do not know."""
    with pytest.warns(UnsupportedSettingWarning, match="preserve_thinking has no effect"):
        assert write(HYBRID, VLLM, preserve=True) == {}
    assert write(HYBRID, VLLM, preserve=False) == {}
