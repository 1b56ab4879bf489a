"""What an examination makes of evidence: the readers, and a diagnosis as data and as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_qwen3._httpx import httpx
from langchain_qwen3.cli.models import write_name
from langchain_qwen3.doctor import Diagnosis, Finding, readers
from langchain_qwen3.doctor.advice import Facts
from langchain_qwen3.doctor.findings import Outcome
from langchain_qwen3.doctor.probes import Streamed, Together
from langchain_qwen3.errors import (
    BadReplyError,
    ErrorTranslator,
    Qwen3AuthenticationError,
    Qwen3InvalidRequestError,
    Qwen3RateLimitError,
    Qwen3ServerError,
    Qwen3StatusError,
    Qwen3TimeoutError,
)
from langchain_qwen3.profiles import find_line
from langchain_qwen3.servers.dialects import DIALECTS
from tests.support.replies import RECORDINGS, Recording, load

QWEN3 = "Qwen/Qwen3-0.6B"
CALL = {"name": "get_weather", "args": {"city": "Beijing"}, "id": "1", "type": "tool_call"}
MOMENTS = tuple(0.1 + 0.01 * number for number in range(50))


def know(server: str = "vllm", model: str = QWEN3, **facts: Any) -> Facts:
    """Return what is known of a server."""
    known = {"models": (QWEN3,), "contexts": {QWEN3: 4096}, "version": "0.32.0", **facts}
    return Facts(dialect=DIALECTS[server], line=find_line(model, server), model=model, **known)


def think(reasoning: str = "", content: str = "", tokens: int | None = None, **fields: Any) -> AIMessage:
    """Return a message with reasoning, of which usage tells the tokens where they are given."""
    usage: Any = {"input_tokens": 12, "output_tokens": 40, "total_tokens": 52}
    if tokens is not None:
        usage["output_token_details"] = {"reasoning": tokens}
    kwargs = {"reasoning_content": reasoning} if reasoning else {}
    return AIMessage(content=content, additional_kwargs=kwargs, usage_metadata=usage, **fields)


def stream(message: AIMessage, moments: tuple[float, ...] = MOMENTS) -> Streamed:
    """Return the message as it would have been streamed."""
    return Streamed(AIMessageChunk(**message.model_dump(exclude={"type"})), moments)


def refuse(status: int, text: str = "no") -> Any:
    """Return the HTTP response of a refusal."""
    return httpx.Response(status, text=text, request=httpx.Request("POST", "http://pod.test/v1/chat/completions"))


# -- where the server is, and what it serves --------------------------------------------------------------------------


def test_names_the_server_and_its_version():
    """Protects bug reports: the version is what one is asked for first."""
    assert readers.read_server(know()) == Outcome(status="ok", detail="vLLM 0.32.0")
    assert readers.read_server(know(version="")).detail == "vLLM, version not reported"


def test_is_unsure_when_the_server_does_not_tell_what_it_is():
    """Protects unknown pods from counting as broken, and tells how to name them."""
    outcome = readers.read_server(know("generic"))
    assert outcome.status == "unsure"
    assert "--server" in outcome.fix


@pytest.mark.parametrize("server", ["litellm", "one-api", "new-api", "gpustack"])
def test_says_what_a_gateway_does_to_the_switch(server: str):
    """Protects users of gateways: what is lost on the way is said, and how to name the server behind."""
    outcome = readers.read_server(know(server))
    assert outcome.status == "unsure"
    assert DIALECTS[server].forwarding_note in outcome.detail
    assert "--server" in outcome.fix


def test_shows_the_context_length_of_the_served_model():
    """Protects from prompts that are too long."""
    assert readers.read_models(know()).detail == f"{QWEN3} (4,096 tokens)"
    assert readers.read_models(know(contexts={})).detail == f"{QWEN3} (context length not reported)"


def test_fails_with_the_right_name_when_the_model_is_not_served():
    """Protects from a 404 at every call: the name to use is in the fix."""
    outcome = readers.read_models(know(model="qwen3"))
    assert outcome.status == "failed"
    assert f'--model "{QWEN3}"' in outcome.fix


def test_takes_an_alias_for_served():
    """Protects llama.cpp, which lists an alias beside the id and tells the context of both."""
    assert readers.read_models(know(model="qwen3", contexts={"qwen3": 4096})).status == "ok"


def test_names_stay_on_one_line_when_a_server_puts_line_breaks_into_them():
    """Protects from a forged finding, which a name with a line break would be."""
    outcome = readers.read_models(know(models=(QWEN3, "x\n✓ All is well"), contexts={}))
    assert "\n" not in outcome.detail
    assert write_name("x\nqwen3\x1b[2J") == "x\\nqwen3\\x1b[2J"


def test_counts_models_when_there_are_many():
    """Protects the table from the hundreds of names that a hosted service lists."""
    outcome = readers.read_models(know(model="m6", models=tuple(f"m{number}" for number in range(9)), contexts={}))
    assert outcome.detail.endswith("m4 (context length not reported) and 4 more")


# -- thinking ---------------------------------------------------------------------------------------------------------


def test_counts_reasoning_when_it_came_back():
    """Protects the figure: tokens where the server counts them, else characters."""
    assert readers.read_thinking_on(stream(think("Hm.", tokens=7)), know()).detail == "7 tokens of reasoning"
    assert readers.read_thinking_on(stream(think("Hm.")), know()).detail == "3 characters of reasoning"


@pytest.mark.parametrize(
    ("server", "model", "words"),
    [
        ("vllm", QWEN3, "chat template"),
        ("generic", QWEN3, "--server"),
        ("vllm", "my-finetune", "Its name does not say"),
    ],
)
def test_fails_with_the_likely_cause_when_nothing_was_thought(server: str, model: str, words: str):
    """Protects from a bare "no": the cause differs with what is known."""
    outcome = readers.read_thinking_on(stream(think(content="42")), know(server, model))
    assert outcome.status == "failed"
    assert words in outcome.fix


def test_fails_when_thinking_goes_on_although_it_is_off():
    """Protects the most common complaint: `enable_thinking=False` is ignored."""
    assert readers.read_thinking_off(think(content="42"), know()).status == "ok"
    outcome = readers.read_thinking_off(think("Hm."), know("generic"))
    assert outcome.status == "failed"
    assert "/no_think" in outcome.fix


@pytest.mark.parametrize(
    ("used", "free", "status"),
    [
        (think("x", tokens=10), think("x" * 300, tokens=81), "ok"),
        (think("x", tokens=26), think("x" * 300, tokens=81), "ok"),
        (think("x", tokens=80), think("x" * 300, tokens=81), "failed"),
        (think("x" * 20), think("x" * 300), "ok"),
        (think("x" * 299), think("x" * 300), "failed"),
        (think("x" * 5), think("x" * 30), "unsure"),
        (think("x", tokens=9), think("x" * 300, tokens=20), "unsure"),
    ],
)
def test_compares_a_budget_with_thinking_without_one(used: AIMessage, free: AIMessage, status: str):
    """Protects from a budget that only seems kept: short thinking is short with and without one."""
    assert readers.read_budget(used, stream(free), know()).status == status


@pytest.mark.parametrize(
    ("case", "status", "flag"),
    [
        ("vllm-parsers/think_on_ctk", "ok", ""),
        ("llama-server/think_on_ctk", "ok", ""),
        ("vllm-noparsers/plain_default", "failed", "--reasoning-parser qwen3"),
        ("llama-format-none/plain_default", "failed", "--reasoning-format auto"),
        ("vllm-parsers/think_off_ctk", "unsure", ""),
    ],
)
def test_finds_where_the_reasoning_stands(case: str, status: str, flag: str):
    """Protects the flag that is forgotten most, on recorded replies of both engines with and without it."""
    recording = load(case)
    outcome = readers.read_reasoning_field(recording.body or {}, know("vllm" if "vllm" in case else "llama.cpp"))
    assert (outcome.status, outcome.flag) == (status, flag)


def test_knows_reasoning_without_a_tag_when_the_template_opens_it():
    """Protects Thinking models: their template writes the tag, the reply holds reasoning from its first letter."""
    body = {"choices": [{"message": {"content": "Okay, the user"}}]}
    facts = know(model="Qwen/Qwen3-4B-Thinking-2507")
    assert readers.read_reasoning_field(body, facts).flag == "--reasoning-parser qwen3"


# -- streams ----------------------------------------------------------------------------------------------------------


def test_shows_time_to_first_token_and_rate():
    """Protects the two figures people look for."""
    outcome = readers.read_streaming(stream(think(content="x" * 100)), know())
    assert outcome == Outcome(status="ok", detail="first token after 100 ms, 100 chunks/s")


@pytest.mark.parametrize(
    "moments",
    [
        (3.0,),
        tuple(3.0 + 0.0001 * number for number in range(50)),
        tuple(0.4 * (number // 16) + 0.0002 * number for number in range(80)),  # buffers of 4 kB
        tuple(1.5 + 0.1 * (number // 9) for number in range(24)),  # three reads on a busy machine
    ],
)
def test_fails_when_a_proxy_held_the_stream_back(moments: tuple[float, ...]):
    """Protects from a buffering proxy, which turns a stream into a long wait."""
    outcome = readers.read_streaming(stream(think(content="x" * 100), moments), know())
    assert outcome.status == "failed"
    assert "proxy_buffering off" in outcome.fix


@pytest.mark.parametrize(
    "moments",
    [
        tuple(0.02 * number for number in range(160)),
        tuple(0.06 * (number // 3) + 0.0002 * number for number in range(160)),  # three tokens of each step
        tuple(9.0 + 0.005 * number for number in range(160)),  # a long prompt
        (*(0.01 * number for number in range(80)), *(3.0 + 0.01 * number for number in range(80))),  # one hiccup
        tuple(0.01 * (number // 16) + 0.0001 * number for number in range(80)),  # a busy machine
    ],
)
def test_takes_a_stream_for_one_when_its_chunks_come_unevenly(moments: tuple[float, ...]):
    """Protects engines that write several tokens at once, slow prompts and busy machines from a false alarm."""
    assert readers.read_streaming(stream(think(content="x" * 300), moments), know()).status == "ok"


def test_takes_a_short_answer_in_one_chunk_for_a_stream():
    """Protects fast servers and short answers from being called buffered."""
    assert readers.read_streaming(stream(think(content="Hello!"), (0.1,)), know()).status == "ok"


def test_fails_when_a_stream_held_nothing():
    """Protects from an empty stream that counts as a quick one."""
    assert readers.read_streaming(stream(think(), ()), know()).status == "failed"


def test_fails_when_a_stream_does_not_say_why_it_ended():
    """Protects from a server whose broken streams look whole to every other client."""
    assert readers.read_stream_end(stream(think(response_metadata={"finish_reason": "stop"})), know()).status == "ok"
    assert readers.read_stream_end(stream(think(content="half")), know()).status == "failed"


def test_fails_when_a_stream_has_no_usage():
    """Protects accounting: without usage nobody knows what was spent."""
    assert readers.read_usage(stream(think("Hm.", tokens=3)), know()).detail.endswith("40 out, 3 of them reasoning")
    bare = Streamed(AIMessageChunk(content="hi"), MOMENTS)
    assert readers.read_usage(bare, know()).status == "failed"


# -- tools and structured output --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "calls", "status"),
    [
        ('<tool_call>\n{"name": "get_weather"}\n</tool_call>', [CALL], "unsure"),
        ("", [CALL, CALL], "failed"),
        ("", [CALL, {**CALL, "args": {"city": "Shanghai"}}], "ok"),
        ("", [CALL], "ok"),
    ],
)
def test_finds_a_call_that_came_twice(content: str, calls: list[Any], status: str):
    """Protects agents of other clients, which make a call twice that a server sends in two ways."""
    outcome = readers.read_tool_call(AIMessage(content, tool_calls=calls), know("ms-swift"))
    assert outcome.status == status
    assert "get_weather(city='Beijing')" in outcome.detail


def test_shows_the_call_when_it_came():
    """Protects the sight of the arguments: a call to the wrong city is no success."""
    assert readers.read_tool_call(AIMessage("", tool_calls=[CALL]), know()).detail == "get_weather(city='Beijing')"


@pytest.mark.parametrize(
    ("server", "model", "flag"),
    [
        ("vllm", QWEN3, "--enable-auto-tool-choice --tool-call-parser hermes"),
        ("vllm", "Qwen/Qwen3-Coder-30B-A3B-Instruct", "--enable-auto-tool-choice --tool-call-parser qwen3_coder"),
        ("sglang", QWEN3, "--tool-call-parser qwen25"),
        ("llama.cpp", QWEN3, "--jinja"),
    ],
)
def test_names_the_parser_of_the_line_when_the_call_stayed_in_the_text(server: str, model: str, flag: str):
    """Protects from the wrong parser: Coder and newer models write XML, the others JSON."""
    outcome = readers.read_tool_call(AIMessage('<tool_call>\n{"name": "get_weather"}'), know(server, model))
    assert (outcome.status, outcome.flag) == ("failed", flag)
    assert flag in outcome.fix


def test_names_both_parsers_when_the_line_is_not_known():
    """Protects fine-tunes: which parser is right is then the user's to know."""
    outcome = readers.read_tool_call(AIMessage("<tool_call>"), know(model="my-finetune"))
    assert "hermes (qwen3_coder for" in outcome.fix


@pytest.mark.parametrize("read", [readers.read_tool_call, readers.read_forced_call, readers.read_parallel_calls])
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"response_metadata": {"finish_reason": "stop"}}, "failed"),
        ({}, "failed"),
        ({"content": " \n"}, "failed"),
        ({"tool_calls": [{**CALL, "args": {}}]}, "failed"),
        ({"tool_calls": [CALL, {**CALL, "id": "2", "args": {}}]}, "failed"),
        ({"usage_metadata": {"input_tokens": 9, "output_tokens": 20, "total_tokens": 29}}, "failed"),
        ({"usage_metadata": {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10}}, "unsure"),
        *(({"response_metadata": {"finish_reason": cut}}, "unsure") for cut in ("length", "content_filter", "abort")),
        ({"additional_kwargs": {"reasoning_content": "Hm."}}, "unsure"),
        ({"content": "It is sunny."}, "unsure"),
    ],
)
def test_fails_when_the_parser_lost_the_call_or_its_arguments(
    fields: dict[str, Any], status: str, read: Callable[[AIMessage, Facts], Outcome]
):
    """Protects from vLLM with a parser for another format: it eats the call, or leaves it without arguments."""
    outcome = read(AIMessage(**{"content": "", **fields}), know())
    assert outcome.status == status
    assert ("--tool-call-parser hermes" in outcome.fix) == (status == "failed")


def test_is_unsure_when_the_model_only_talked():
    """Protects the server from blame for a small model's choice."""
    assert readers.read_tool_call(AIMessage("It is sunny."), know()).status == "unsure"
    assert readers.read_parallel_calls(AIMessage("", tool_calls=[CALL]), know()).status == "unsure"
    assert readers.read_parallel_calls(AIMessage("", tool_calls=[CALL, CALL]), know()).status == "ok"


def test_fails_when_the_arguments_are_broken():
    """Protects from half a call that counts as one."""
    broken = {"name": "get_weather", "args": '{"city": ', "id": "1", "error": None, "type": "invalid_tool_call"}
    assert readers.read_tool_call(AIMessage("", invalid_tool_calls=[broken]), know()).status == "failed"


def test_says_who_forced_the_call():
    """Protects honesty: on llama.cpp the choice is honoured because ChatQwen3 forces it."""
    reply = AIMessage("", tool_calls=[CALL])
    assert "forced by ChatQwen3" in readers.read_forced_call(reply, know("llama.cpp")).detail
    assert readers.read_forced_call(reply, know()).detail == "get_weather(city='Beijing')"


@pytest.mark.parametrize(
    ("raw", "error", "server", "model", "status"),
    [
        (think("Hm."), None, "vllm", QWEN3, "ok"),
        (think(), None, "vllm", QWEN3, "failed"),
        (think(), None, "dashscope", QWEN3, "unsure"),
        (think(), None, "vllm", "Qwen/Qwen3-4B-Instruct-2507", "ok"),
        (think(), ValueError("no JSON"), "vllm", QWEN3, "failed"),
        (think(response_metadata={"finish_reason": "length"}), ValueError("cut"), "vllm", QWEN3, "unsure"),
    ],
)
def test_reads_a_schema_with_thinking(raw: AIMessage, error: Exception | None, server: str, model: str, status: str):
    """Protects thinking with a schema: a grammar from the first token leaves none, and looks like a success."""
    reply = {"raw": raw, "parsed": None if error else {"name": "Alice"}, "parsing_error": error}
    assert readers.read_structured(reply, know(server, model)).status == status


# -- concurrency and errors -------------------------------------------------------------------------------------------


def test_compares_serial_with_together():
    """Protects the promise of async; a server without power to spare is no failure."""
    assert readers.read_concurrency(Together(8, 8.0, 1.0), know()).detail == (
        "8 calls: 8.0 s one by one, 1.0 s together, 8.0 × as fast"
    )
    slow = readers.read_concurrency(Together(8, 1.0, 1.0), know("llama.cpp"))
    assert slow.status == "unsure"
    assert "--parallel 8" in slow.fix


@pytest.mark.parametrize(
    ("error", "flag", "words"),
    [
        (Qwen3InvalidRequestError("no", response=refuse(400)), "--reasoning-parser qwen3", "Start vLLM with"),
        (Qwen3ServerError("no", response=refuse(500)), "--reasoning-parser qwen3", "Start vLLM with"),
        (Qwen3RateLimitError("no\nWait.", response=refuse(429)), "", "Wait."),
        (Qwen3TimeoutError("no reply in time"), "", "--timeout"),
        (Qwen3AuthenticationError("no", response=refuse(401)), "", "--api-key"),
        (BadReplyError("no", response=refuse(200), body="no"), "", ""),
        (KeyError("choices"), "", ""),
    ],
)
def test_blames_the_flag_only_when_the_server_refused(error: Exception, flag: str, words: str):
    """Protects from advice that does not help: a missing flag neither times out nor limits a rate."""
    outcome = readers.read_error(error, "reasoning", know())
    assert (outcome.status, outcome.flag) == ("failed", flag)
    assert words in outcome.fix


@pytest.mark.parametrize(
    "error",
    [
        BadReplyError("the reply is not a list of models"),
        BadReplyError("no choices", response=refuse(200), body="no"),
        Qwen3InvalidRequestError("HTTP 400: no", response=refuse(400)),
        Qwen3ServerError("HTTP 500: boom", response=refuse(500)),
        Qwen3StatusError("HTTP 426: Upgrade Required", response=refuse(426)),
        Qwen3AuthenticationError("HTTP 401: no", response=refuse(401)),
        KeyError("choices"),
    ],
    ids=lambda error: f"{type(error).__name__}: {error}",
)
@pytest.mark.parametrize("server", [None, "vllm", "ollama", "lmstudio", "dashscope", "litellm", "generic"])
@pytest.mark.parametrize("flag", ["", "tools", "reasoning", "thinking_budget"])
def test_says_what_to_do_about_every_error(error: Exception, server: str | None, flag: str):
    """Protects from a cross without advice, whatever failed, before the server is known and after."""
    assert readers.read_error(error, flag, know(server) if server else None).fix


@pytest.mark.parametrize(
    ("server", "status", "text", "flag", "expected"),
    [
        ("llama.cpp", 500, "tools param requires --jinja flag", "reasoning", "--jinja"),
        ("llama.cpp", 500, "tool_choice param requires --jinja flag", "tools", "--jinja"),
        ("llama.cpp", 400, "Failed to initialize samplers: std::exception", "reasoning", "--reasoning-format auto"),
        ("vllm", 400, "this needs --reasoning-parser to be set", "tools", "--reasoning-parser qwen3"),
        ("vllm", 400, "unknown field --x", "reasoning", "--reasoning-parser qwen3"),
        ("lmstudio", 400, "the developer setting is off", "", ""),
    ],
)
def test_names_the_option_that_the_server_asks_for(server: str, status: int, text: str, flag: str, expected: str):
    """Protects from a guess where the server itself says which option is missing."""
    kind = Qwen3ServerError if status == 500 else Qwen3InvalidRequestError
    error = kind(f"HTTP {status}: {text}", response=refuse(status))
    assert readers.read_error(error, flag, know(server)).flag == expected


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({"WWW-Authenticate": 'Basic realm="qwen"'}, "<html>401</html>", "user name and password"),
        ({}, '{"error": {"message": "No connected db.", "type": "no_db_connection"}}', "master key"),
        ({}, '{"error": {"message": "Unauthorized"}}', "--api-key"),
        ({}, "", "--api-key"),
    ],
)
def test_tells_a_proxy_that_wants_a_password_from_a_server_that_wants_a_key(
    headers: dict[str, str], body: str, words: str
):
    """Protects from passing one key after another to what reads none."""
    request = httpx.Request("POST", "http://pod.test/v1/chat/completions")
    response = httpx.Response(401, text=body, headers=headers, request=request)
    with pytest.raises(Qwen3AuthenticationError) as raised, ErrorTranslator("generic", "http://pod.test/v1", "q"):
        raise openai.AuthenticationError("no", response=response, body=None)
    assert words in readers.read_error(raised.value, "", None).fix


def test_leaves_out_of_a_cause_what_the_diagnosis_says_already():
    """Protects the table from the URL in every row."""
    error = Qwen3RateLimitError("HTTP 429: slow down (http://pod.test/v1, model q)\nWait.", response=refuse(429))
    assert readers.read_error(error, "", know()).detail == "HTTP 429: slow down"


@pytest.mark.parametrize("recording", [row for row in RECORDINGS if row.body], ids=repr)
def test_reads_every_recorded_reply(recording: Recording):
    """Protects the examination from replies of any shape, errors with status 200 left to the request."""
    if (recording.body or {}).get("choices"):
        assert readers.read_reasoning_field(recording.body or {}, know()).status in {"ok", "failed", "unsure"}


# -- the diagnosis ----------------------------------------------------------------------------------------------------


def build_diagnosis(*findings: tuple[str, str, str]) -> Diagnosis:
    """Return a diagnosis with findings of name, status and flag."""
    rows = tuple(
        Finding(name=name, title=name, seconds=0.1, status=status, detail="a|b <think>", fix=flag, flag=flag)  # type: ignore[arg-type]
        for name, status, flag in findings
    )
    return Diagnosis(base_url="http://pod.test/v1", model=QWEN3, server="vLLM", version="0.32.0", findings=rows)


def test_is_well_when_nothing_failed():
    """Protects the exit status: what is unsure or skipped is no failure."""
    assert build_diagnosis(("reachable", "ok", ""), ("a", "unsure", ""), ("b", "skipped", "")).ok
    assert not build_diagnosis(("reachable", "ok", ""), ("a", "failed", "")).ok


def test_names_every_flag_once():
    """Protects the line to copy: one missing parser fails four checks."""
    diagnosis = build_diagnosis(
        ("reachable", "ok", ""), ("a", "failed", "-x"), ("b", "failed", "-y"), ("c", "failed", "-x")
    )
    assert diagnosis.flags == ("-x", "-y")


def test_gives_a_finding_by_name():
    """Protects programs that ask for one thing."""
    diagnosis = build_diagnosis(("reachable", "failed", ""))
    assert diagnosis["reachable"].status == "failed"
    assert not diagnosis.reachable
    with pytest.raises(KeyError):
        diagnosis["streaming"]


def test_is_written_as_json_text_and_html():
    """Protects `--json`, print() and notebooks: nothing is lost, and no sign of a server's breaks the table.

    HTML and not Markdown: in a server's words there may be a picture, whose address tells others what is asked.
    """
    diagnosis = build_diagnosis(("reachable", "ok", ""), ("tools", "failed", "-x"))
    assert json.loads(json.dumps(diagnosis.to_dict()))["findings"][1]["flag"] == "-x"
    assert "✗ tools      a|b <think>\n" in str(diagnosis)
    assert "<tr><td>✗</td><td>tools</td><td>a|b &lt;think&gt;<br>→ -x</td></tr>" in diagnosis._repr_html_()
