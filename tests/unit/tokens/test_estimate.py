"""The estimate and the local tokenizer against recorded counts."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from langchain_qwen3.tokens.estimate import MEDIA_TOKENS, estimate_message_tokens, estimate_tokens, read_parts
from langchain_qwen3.tokens.local import LocalTokenizer

RECORDED = json.loads((Path(__file__).parent / "token_counts.json").read_text("utf-8"))
CAPTURES = Path(__file__).parents[2] / "captures"
TEXTS: list[dict[str, Any]] = RECORDED["texts"]
CHATS: list[dict[str, Any]] = RECORDED["chats"]
HI = {"role": "user", "content": "hi"}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


def test_local_tokenizer_gives_recorded_ids_when_given_mixed_texts() -> None:
    """Protects the vocabulary: ids are those of the complete Qwen3 tokenizer, in every script."""
    tokenizer = LocalTokenizer("Qwen/Qwen3-8B")
    assert [tokenizer.encode(case["text"]) for case in TEXTS] == [case["ids"] for case in TEXTS]


@pytest.mark.parametrize("model", sorted(CHATS[0]["counts"]))
def test_local_tokenizer_gives_recorded_counts_when_given_chats(model: str) -> None:
    """Protects chat counts: system, tools, tool results, reasoning and the switch, as transformers renders them."""
    tokenizer = LocalTokenizer(model)
    counts = [tokenizer.count_messages(chat["messages"], chat["tools"], chat["thinking"]) for chat in CHATS]
    assert counts == [chat["counts"][model] for chat in CHATS]


@pytest.mark.parametrize("model", sorted(CHATS[0]["prompts"]))
def test_local_tokenizer_renders_recorded_prompts_when_line_is_newer(model: str) -> None:
    """Protects the templates of 3.5, 3.6 and 3.8, and each line's default of thinking."""
    tokenizer = LocalTokenizer(model)
    prompts = [tokenizer._render(chat["messages"], chat["tools"], chat["thinking"], {})[0] for chat in CHATS]
    digests = [hashlib.sha256(prompt.encode()).hexdigest()[:16] for prompt in prompts]
    assert digests == [chat["prompts"][model] for chat in CHATS]


def test_local_tokenizer_counts_what_vllm_billed_when_requests_were_recorded() -> None:
    """Protects against the real thing: prompt tokens that vLLM 0.32 reported for every recorded request."""
    tokenizer, counts, billed = LocalTokenizer("Qwen/Qwen3-0.6B"), {}, {}
    for path in sorted(CAPTURES.glob("vllm-*/*.json")):
        capture = json.loads(path.read_text("utf-8"))
        request, reply = capture["request"].get("body"), capture["response"].get("body")
        # A request that continues an answer is not a chat of this package's.
        if not isinstance(reply, dict) or not reply.get("usage") or "continue_final_message" in request:
            continue
        switches = request.get("chat_template_kwargs") or {}
        effort = request.get("reasoning_effort")
        thinking = switches.get("enable_thinking", None if effort is None else effort != "none")
        case = f"{path.parent.name}/{path.stem}"
        counts[case] = tokenizer.count_messages(request["messages"], request.get("tools"), thinking)
        billed[case] = reply["usage"]["prompt_tokens"]
    assert len(billed) > 100
    assert counts == billed


def test_local_tokenizer_keeps_special_tokens_whole_when_line_is_newer() -> None:
    """Protects the larger vocabulary's ids, which its package documents: think tags are one token each."""
    assert LocalTokenizer("Qwen/Qwen3.6-27B").encode("<|im_start|><think></think>") == [248045, 248068, 248069]
    assert LocalTokenizer("Qwen/Qwen3.6-27B").encode("Hello!") == [9419, 0]


def test_local_tokenizer_reads_both_keys_when_reasoning_is_in_history() -> None:
    """Protects the count of a tool loop on vLLM, whose key is `reasoning`."""
    tokenizer = LocalTokenizer()
    counts = {
        tokenizer.count_messages([HI, {"role": "assistant", "content": "", key: "because of this"}])
        for key in ("reasoning", "reasoning_content")
    }
    assert len(counts) == 1
    assert counts.pop() > tokenizer.count_messages([HI, {"role": "assistant", "content": ""}])


def test_local_tokenizer_opens_think_when_edition_only_thinks() -> None:
    """Protects the two tokens that the Thinking editions' own templates add."""
    assert LocalTokenizer("Qwen3-4B-Thinking-2507").count_messages([HI]) == LocalTokenizer().count_messages([HI]) + 2


def test_local_tokenizer_passes_switches_on_when_given_template_kwargs() -> None:
    """Protects `preserve_thinking`: earlier reasoning counts when it is kept."""
    tokenizer = LocalTokenizer("Qwen/Qwen3.6-27B")
    chat = [HI, {"role": "assistant", "content": "yes", "reasoning_content": "let me see"}, HI]
    assert tokenizer.count_messages(chat, preserve_thinking=True) > tokenizer.count_messages(chat)


def test_local_tokenizer_counts_media_when_parts_are_no_text() -> None:
    """Protects trimming: a picture is not free."""
    tokenizer = LocalTokenizer("Qwen/Qwen3-VL-8B-Instruct")
    chat = [{"role": "user", "content": [{"type": "text", "text": "hi"}, PICTURE]}]
    assert tokenizer.count_messages(chat) == tokenizer.count_messages([HI]) + MEDIA_TOKENS


@pytest.mark.parametrize(
    "chat", [[{"role": "assistant", "content": "yes"}], [HI, {"role": "system", "content": "late"}]]
)
def test_local_tokenizer_counts_anyway_when_template_refuses(chat: list[dict[str, Any]]) -> None:
    """Protects `trim_messages`, which counts single messages that 3.5's template raises on."""
    assert LocalTokenizer("Qwen/Qwen3.5-4B").count_messages(chat) > 3


def test_local_tokenizer_joins_text_parts_as_servers_do_when_content_is_a_list() -> None:
    """Protects list content: a newline for text-only templates, nothing where the template takes lists."""
    chat = [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "hi"}]}]
    for model, joined in (("Qwen/Qwen3-8B", "hi\nhi"), ("Qwen/Qwen3.5-4B", "hihi")):
        tokenizer = LocalTokenizer(model)
        assert tokenizer.count_messages(chat) == tokenizer.count_messages([{"role": "user", "content": joined}])


@pytest.mark.parametrize("arguments", ["", "{broken", "36", None])
def test_local_tokenizer_counts_anyway_when_tool_arguments_are_no_object(arguments: str | None) -> None:
    """Protects histories with an invalid call: they are counted as an empty object, as vLLM does."""
    broken, empty = (
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": value}}]}
        for value in (arguments, "{}")
    )
    tokenizer = LocalTokenizer("Qwen/Qwen3.8-27B")
    assert tokenizer.count_messages([HI, broken]) == tokenizer.count_messages([HI, empty])


def test_local_tokenizer_is_zero_when_nothing_is_there() -> None:
    """Protects counting of an empty history."""
    assert LocalTokenizer().count_messages([]) == 0
    assert LocalTokenizer().encode("") == []


def test_local_tokenizer_names_the_extra_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the user without the extra: construction works, use says what to install."""
    from langchain_qwen3.tokens import local as local_tokenizer

    for name in ("_load_encoding", "_load_template"):
        monkeypatch.setattr(local_tokenizer, name, getattr(local_tokenizer, name).__wrapped__)
    for module in ("tiktoken", "jinja2", "jinja2.ext"):
        monkeypatch.setitem(sys.modules, module, None)
    tokenizer = LocalTokenizer()
    with pytest.raises(ImportError, match=r"langchain-qwen3-chat\[tokenizer\]"):
        tokenizer.encode("hi")
    with pytest.raises(ImportError, match=r"langchain-qwen3-chat\[tokenizer\]"):
        tokenizer.count_messages([HI])


def test_local_tokenizer_hides_nothing_in_repr() -> None:
    """Protects debugging output."""
    assert repr(LocalTokenizer("qwen3:8b")) == "LocalTokenizer('qwen3:8b')"


def test_estimate_tokens_stays_near_when_texts_are_mixed() -> None:
    """Protects the documented error on texts it was not fitted to, whole and one by one."""
    estimates = [estimate_tokens(case["text"]) for case in TEXTS]
    counts = [len(case["ids"]) for case in TEXTS]
    assert sum(estimates) == pytest.approx(sum(counts), rel=0.1)
    near = [abs(guess - count) <= max(4, 0.25 * count) for guess, count in zip(estimates, counts, strict=True)]
    assert sum(near) >= 0.9 * len(near)


def test_estimate_tokens_counts_each_digit_when_text_is_a_number() -> None:
    """Protects the one exact rule: Qwen's digits are single tokens."""
    assert estimate_tokens("") == 0
    assert estimate_tokens("31415926") == 8


@pytest.mark.parametrize(("model", "tool_format"), [("Qwen/Qwen3-8B", "hermes"), ("Qwen/Qwen3.5-4B", "xml")])
def test_estimate_message_tokens_stays_near_when_chats_have_tools(model: str, tool_format: Any) -> None:
    """Protects what the template adds: tools, calls, results and reasoning are all in the estimate."""
    tokenizer = LocalTokenizer(model)
    exact = [tokenizer.count_messages(chat["messages"], chat["tools"], chat["thinking"]) for chat in CHATS]
    estimates = [estimate_message_tokens(chat["messages"], chat["tools"], tool_format) for chat in CHATS]
    assert sum(estimates) == pytest.approx(sum(exact), rel=0.1)
    assert estimates == pytest.approx(exact, rel=0.3, abs=12)


def test_estimate_message_tokens_counts_media_and_nothing() -> None:
    """Protects both ends: an empty history is free, a picture is not."""
    assert estimate_message_tokens([]) == 0
    assert estimate_message_tokens([{"role": "user", "content": [PICTURE]}]) > MEDIA_TOKENS


def test_read_parts_keeps_text_when_content_is_missing_or_mixed() -> None:
    """Protects every form content takes on the wire."""
    assert read_parts(None) == ("", 0)
    assert read_parts("a") == ("a", 0)
    assert read_parts(["a", {"type": "text", "text": "b"}, PICTURE]) == ("a\nb", 1)
