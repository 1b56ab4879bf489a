"""`langchain-qwen3 batch` as a terminal runs it, on the real engine where settings matter."""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from langchain_qwen3.local import LocalServer
from tests.faults.plans import content_of
from tests.faults.server import FaultServer, closed_port
from tests.support.commands import read_results, run

ANSWER = "我是通义千问（Qwen），由阿里云研发的大语言模型。很高兴为你服务！"
BODY = {"model": "Qwen/Qwen3-0.6B", "messages": [{"role": "user", "content": "five"}]}
FORMS = [
    '"one"',
    '{"question": "two", "id": "second"}',
    "",
    '{"messages": [{"role": "user", "content": "three"}], "custom_id": "third"}',
    '[{"role": "user", "content": "four"}]',
    json.dumps({"custom_id": "fifth", "method": "POST", "url": "/v1/chat/completions", "body": BODY}),
    "{broken",
]
KEYS = {1: "one", 2: "two", 4: "three", 5: "four", 6: "five"}
batch = partial(run, "batch")


def test_answers_a_row_of_every_form_when_one_line_is_broken(tmp_path: Path):
    """Protects every form of a row through the command; the bad line names its number, and is no end."""
    questions, answers = tmp_path / "questions.jsonl", tmp_path / "answers.jsonl"
    questions.write_text("\n".join(FORMS), encoding="utf-8")
    with FaultServer() as server:
        result = batch(questions, server.url, "-o", answers)
        assert result.exit_code == 1
        assert "6, 5 answered, 1 failed" in result.output
        assert "1 × RowError, such as: line 7: invalid JSON" in " ".join(result.output.split())
        assert batch(questions, server.url, "-o", answers).exit_code == 1
        assert len(server.calls) == 5
    found = read_results(answers)
    assert {row["line"]: row["content"] for row in found[:5]} == {line: content_of(key) for line, key in KEYS.items()}
    assert [row["id"] for row in found] == ["1", "second", "third", "5", "fifth", "7"]
    assert found[5]["error"]["class"] == "RowError"
    assert found[5]["error"]["message"].startswith("line 7: invalid JSON")


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_takes_and_gives_files_of_every_kind(tmp_path: Path, kind: str):
    """Protects the kinds of files, by their names and from a pipe to a pipe."""
    pytest.importorskip("pyarrow", reason="needs the extra batch")
    questions, answers = tmp_path / f"q.{kind}", tmp_path / f"a.{kind}"
    table = io.StringIO()
    csv.writer(table).writerows([["id", "question"], ["x", "one"], ["y", "two\nlines"]])
    write_table(questions, kind, table.getvalue())
    with FaultServer() as server:
        assert batch(questions, server.url, "-o", answers).exit_code == 0
        piped = batch(
            "-", server.url, "--input-format", "csv", "--output-format", "csv", "--ordered", said=table.getvalue()
        )
    rows = list(csv.DictReader(io.StringIO(piped.stdout, newline="")))
    assert [(row["id"], row["content"]) for row in rows] == [("x", content_of("one")), ("y", content_of("two"))]
    assert [(row["id"], row["content"]) for row in read_table(answers, kind)] == [
        (row["id"], row["content"]) for row in rows
    ]


def write_table(path: Path, kind: str, text: str) -> None:
    """Write a table of CSV as a file of any kind."""
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text(text if kind == "csv" else "\n".join(map(json.dumps, rows)), encoding="utf-8", newline="")


def read_table(path: Path, kind: str) -> list[dict[str, Any]]:
    """Return the results of a file of any kind."""
    if kind == "parquet":
        import pyarrow.parquet as pq

        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    if kind == "csv":
        return list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))
    return read_results(path)


def test_settings_reach_the_engine_when_options_name_them(tmp_path: Path, engine: LocalServer):
    """Protects the options: thinking on and off, its budget, the system message, any field by `--set`."""
    rows = tmp_path / "q.txt"
    rows.write_text("你是谁?\n", encoding="utf-8")
    common = (rows, engine.base_url, "--set", "temperature=0", "--set", "max_tokens=200")
    plain, thinking = tmp_path / "plain.jsonl", tmp_path / "thinking.jsonl"
    assert batch(*common, "--no-think", "-o", plain).exit_code == 0
    assert batch(*common, "--think", "--budget", 500, "-o", thinking).exit_code == 0
    assert (read_results(plain)[0]["content"], read_results(plain)[0]["reasoning"]) == (ANSWER, None)
    assert read_results(thinking)[0]["reasoning"]
    assert read_results(thinking)[0]["usage"]["output_tokens"] > read_results(plain)[0]["usage"]["output_tokens"]


def test_options_are_in_the_request_when_they_are_set():
    """Protects what no answer of the tiny model shows: sampling, budget, system message, call settings on the wire."""
    options = ("--think", "--budget", 300, "--system", "Be brief.", "--sampling", "recommended")
    with FaultServer() as server:
        said = "one\n"
        result = batch(
            "-", server.url, *options, "--set", "seed=7", "--set", 'stop=["x"]', "--server", "vllm", said=said
        )
        assert result.exit_code == 0
        body = server.calls[0].body
    assert [message["content"] for message in body["messages"]] == ["Be brief.", "one"]
    assert body["chat_template_kwargs"]["enable_thinking"] is True
    assert body["thinking_token_budget"] == 300
    assert (body["temperature"], body["top_k"], body["seed"], body["stop"]) == (0.6, 20, 7, ["x"])


def test_answers_have_the_schema_when_one_is_given(tmp_path: Path, engine: LocalServer):
    """Protects `--schema`: the parsed answer beside the text, and a cut one is a failure that keeps what came."""
    schema = tmp_path / "schema.json"
    properties = {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "maximum": 99, "minimum": 0}}
    schema.write_text(json.dumps({"type": "object", "properties": properties, "required": ["name", "age"]}), "utf-8")
    rows, answers = tmp_path / "q.jsonl", tmp_path / "a.jsonl"
    rows.write_text(
        '{"question": "你是谁?"}\n{"question": "你是谁?", "settings": {"max_tokens": 3}}\n', encoding="utf-8"
    )
    result = batch(rows, engine.base_url, "--schema", schema, "--no-think", "--set", "max_tokens=200", "-o", answers)
    assert result.exit_code == 1, result.output
    whole, cut = read_results(answers)
    assert whole["error"] is None
    assert set(whole["parsed"]) == {"name", "age"}
    assert json.loads(whole["content"]) == whole["parsed"]
    assert (cut["parsed"], cut["error"]["class"], cut["finish_reason"]) == (None, "OutputParserException", "length")
    assert cut["content"]


def test_writes_the_summary_as_json_when_asked(tmp_path: Path):
    """Protects scripts: the counts of all runs and of this one, as JSON on the standard output."""
    rows, answers = tmp_path / "q.txt", tmp_path / "a.jsonl"
    rows.write_text("one\ntwo [[status 400 openai]]\n", encoding="utf-8")
    with FaultServer() as server:
        result = batch(rows, server.url, "-o", answers, "--json")
    summary = json.loads(result.stdout)
    assert (summary["rows"], summary["answered"], summary["failed"]) == (2, 1, 1)
    assert summary["failures"] == {"Qwen3InvalidRequestError": 1}
    assert (summary["input_tokens"], summary["output_tokens"]) == (11, 22)
    assert {row["id"] for row in summary["slowest"]} == {"1", "2"}
    assert summary["this_run"]["rows"] == 2


def test_writes_openais_lines_when_that_form_is_wanted(tmp_path: Path):
    """Protects a change from OpenAI's batch: its lines in, its lines out, and a run that goes on with them."""
    rows, answers = tmp_path / "q.jsonl", tmp_path / "a.jsonl"
    body = {**BODY, "model": "a-model-of-the-row"}
    rows.write_text("\n".join(json.dumps({"custom_id": f"r{at}", "body": body}) for at in range(3)), encoding="utf-8")
    with FaultServer() as server:
        for _ in range(2):
            assert batch(rows, server.url, "-o", answers, "--form", "openai").exit_code == 0
        assert [call.body["model"] for call in server.calls] == ["a-model-of-the-row"] * 3
        assert batch(rows, server.url, "--model", "mine").exit_code == 0
        assert server.calls[-1].body["model"] == "mine"
    lines = [json.loads(line) for line in answers.read_bytes().splitlines()]
    assert sorted(line["custom_id"] for line in lines) == ["r0", "r1", "r2"]
    assert lines[0]["response"]["body"]["choices"][0]["message"]["content"] == content_of("five")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set", "temprature=1"], "--set: ChatQwen3 has no keyword 'temprature'. Did you mean temperature?"),
        (["--set", "temperature"], "'temperature' is not name=value, such as top_p=0.9"),
        (["--set", "timeout=3"], "timeout has its own option: --timeout"),
        (["--set", "temperature=warm"], "--set: temperature"),
        (["--set", "max_tokens=-7"], "--set: max_tokens must be"),
        (["--concurrency", "none"], 'neither "auto" nor a number ≥ 1'),
        (["--concurrency", "0"], 'neither "auto" nor a number ≥ 1'),
        (["--schema", "missing.json"], "No such file or directory: missing.json"),
        (["--schema", "."], "Is a directory: ."),
        (["--set", "temperature=-1"], "temperature"),
        (["--retry-failed"], "--retry-failed needs a file, not a pipe"),
        (["--form", "openai", "--output-format", "csv"], "lines of JSON, not csv"),
    ],
)
def test_says_what_is_wrong_when_options_are(options: list[str], said: str):
    """Protects from a traceback, and from a night that begins with a wrong option: the option and the fix, status 2."""
    with FaultServer() as server:
        result = batch("-", server.url, *options, said="one\n")
        assert server.calls == []
    assert result.exit_code == 2
    assert said in result.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("", "is not valid JSON: Expecting value"),
        ('{"type": "object"', "is not valid JSON: Expecting ',' delimiter"),
        ('{"a":' * 90_000 + "1" + "}" * 90_000, "is not valid JSON: "),
        *[
            ('{"items":' * depth + "{}" + "}" * depth, "the JSON schema nests too deep to be checked")
            for depth in (200, 400)  # too deep for jsonschema, and for us; JSON's reader takes both
        ],
        ("true", "is not an object such as"),
        ("null", "is not an object such as"),
        ('[{"type": "object"}]', "is not an object such as"),
        ("{}", "schema has the keys (none)"),
        ('{"colour": "red"}', "schema has the keys colour"),
        ('{"name": "Alice", "age": 30}', "schema is named 'Alice', but has no JSON schema"),
        ('{"name": "Person", "parameters": "age"}', "schema is named 'Person', but has no JSON schema"),
        ('{"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}', "schema has the keys schema"),
        ('{"type": "objet"}', "$.type in the JSON schema is invalid: 'objet'"),
        ('{"type": "object", "properties": ["age"]}', "$.properties in the JSON schema is invalid: ['age']"),
        ('{"type": "object", "properties": {"age": "integer"}}', "$.properties.age in the JSON schema is invalid"),
        ('{"type": "object", "properties": {"age": {"type": "int"}}}', "$.properties.age.type in the JSON schema"),
        ('{"type": "object", "required": "age"}', "$.required in the JSON schema is invalid: 'age'"),
        ('{"type": "object", "description": 5}', "$.description in the JSON schema is invalid: 5"),
        ('{"name": "P", "parameters": {"type": "object", "properties": 5}}', "$.properties in the JSON schema"),
        ('{"type": "object", "properties": {"age": {"maximum": NaN}}}', "it is not JSON: Out of range float values"),
        ('{"$ref": "#/$defs/Person"}', '"$ref": "#/$defs/Person" leads to nothing'),
        ('{"type": "array", "items": {"$ref": "person.json"}}', '"$ref": "person.json" leads to nothing'),
        ('{"type": "array", "items": {"type": "string"}}', "output is no object, as a call's arguments are"),
    ],
)
def test_refuses_the_schema_before_the_first_row_when_no_server_can_take_it(tmp_path: Path, schema: str, said: str):
    """Protects a batch from the same failure in every row: one error that names the place, no call, no output file."""
    file, answers = tmp_path / "s.json", tmp_path / "a.jsonl"
    file.write_text(schema, encoding="utf-8")
    with FaultServer() as server:
        result = batch("-", server.url, "--server", "mlx-lm", "--schema", file, "-o", answers, said="one\ntwo\n")
        assert server.calls == []
    assert result.exit_code == 2
    assert said in result.output
    assert not answers.exists()


@pytest.mark.parametrize(
    "schema",
    [
        '{"type": "object", "properties": {"age": {"type": "integer", "colour": "red"}}}',
        r'{"type": "object", "properties": {"name": {"type": "string", "pattern": "^\\p{L}+$"}}}',
        '{"$ref": "#/$defs/P", "$defs": {"P": {"type": "object", "properties": {"next": {"$ref": "#/$defs/P"}}}}}',
        '{"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"A": {}}, "$ref": "#/definitions/A"}',
        '{"name": "Person", "parameters": {"type": "object"}}',
        '{"type": "array", "items": {"type": "string"}}',
    ],
)
def test_sends_the_schema_when_some_server_can_take_it(tmp_path: Path, schema: str):
    """Protects schemas that are right: own keywords, patterns that are not Python's, references, drafts, tool forms."""
    file = tmp_path / "s.json"
    file.write_text(schema, encoding="utf-8")
    with FaultServer() as server:
        assert batch("-", server.url, "--server", "vllm", "--schema", file, said="one\n").exit_code == 1
        assert len(server.calls) == 1


def test_says_so_when_nothing_listens():
    """Protects from waiting ten minutes for an address that is wrong."""
    result = batch("-", f"http://127.0.0.1:{closed_port()}/v1", said="one\n")
    assert result.exit_code == 2
    assert "Nothing is listening there" in result.output
