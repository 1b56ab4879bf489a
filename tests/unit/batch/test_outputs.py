"""The journal: what a killed run leaves, what the next one makes of it, and every form of the output."""

from __future__ import annotations

import csv
import errno
import io
import json
import shutil
import sys
import time
from pathlib import Path
from typing import IO, Any
from unittest.mock import Mock

import pytest
from openai.types.chat import ChatCompletion

from langchain_qwen3.batch import outputs
from langchain_qwen3.batch.outputs import JOURNAL, OutputError
from langchain_qwen3.batch.results import Form, Result, read_result
from langchain_qwen3.batch.rows import build_row
from langchain_qwen3.batch.runner import open_output
from langchain_qwen3.batch.sources import check_source

USAGE = {"input_tokens": 5, "output_tokens": 7, "reasoning_tokens": 3}
ERROR = {"class": "Qwen3ServerError", "message": "HTTP 500: no", "advice": "Wait.", "status": 500}


def build_result(line: int, *, failed: bool = False) -> Result:
    """Return the result of the row that asks `q<line>`."""
    common: dict[str, Any] = {"id": str(line), "line": line, "check": build_row(line, f"q{line}").check}
    if failed:
        return Result(**common, error=dict(ERROR), tries=5)
    calls = [{"name": "f", "args": {"城": line}, "id": "c1"}]
    answer: dict[str, Any] = {"content": "答案 🙂\u2028\n", "reasoning": "hm", "tool_calls": calls, "model": "m"}
    return Result(**common, **answer, finish_reason="length", usage=dict(USAGE), seconds=line / 10, tries=1)


def write(path: Path, lines: list[int], failed: tuple[int, ...] = (), **options: Any) -> None:
    """Write results of lines, in this order."""
    with open_output(path, **options) as out:
        for line in lines:
            out.write(build_result(line, failed=line in failed))


def read_lines(path: Path) -> list[int]:
    """Return the lines that a file of JSON lines has results of, in its order."""
    return [json.loads(line)["line"] for line in path.read_bytes().splitlines()]


def find_open(path: Path, number: int, **options: Any) -> list[int]:
    """Return the lines that are open, of so many."""
    with open_output(path, **options) as out:
        return [line for line in range(1, number + 1) if out.is_open(build_row(line, f"q{line}"))]


@pytest.mark.parametrize("form", ["rows", "openai"])
@pytest.mark.parametrize("cut", range(0, 400, 29))
def test_goes_on_when_killed_at_any_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Form, cut: int):
    """Protects every row from a kill in the midst of a write: the torn line is asked again, and no other."""
    monkeypatch.setattr(time, "time", lambda: 1.0)  # OpenAI's form has the second of each answer
    path = tmp_path / "a.jsonl"
    write(path, [2, 1, 3], form=form)
    whole = path.read_bytes()
    kept = whole[: len(whole) - cut]
    path.write_bytes(kept)
    left = [read_result(line).line for line in kept.split(b"\n")[:-1]]
    assert find_open(path, 3, form=form) == [line for line in (1, 2, 3) if line not in left]
    assert path.read_bytes() == kept[: kept.rfind(b"\n") + 1]
    write(path, [line for line in (2, 1, 3) if line not in left], form=form)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("form", ["rows", "openai"])
def test_counts_the_whole_output_when_it_goes_on(tmp_path: Path, form: Form):
    """Protects the summary: results of all runs, and this run's own beside them."""
    path = tmp_path / "a.jsonl"
    write(path, [1, 2, 3], failed=(2,), form=form)
    with open_output(path, form=form) as out:
        out.write(build_result(4))
    assert (out.summary.rows, out.summary.answered, out.summary.failed, out.summary.new_rows) == (4, 3, 1, 1)
    assert (out.summary.output_tokens, out.summary.new_tokens, out.summary.reasoning_tokens) == (21, 7, 9)
    assert out.summary.truncated == 3
    assert out.summary.failures == {"Qwen3ServerError": 1}
    assert out.summary.to_dict()["slowest"][0] == {"id": "4", "seconds": 0.4}


@pytest.mark.parametrize(
    ("fields", "empty"),
    [
        ({"content": ""}, 1),
        ({"content": None}, 1),
        ({"content": " \n"}, 1),
        ({"content": "", "reasoning": "all of it"}, 1),
        ({"content": "", "finish_reason": "length"}, 1),
        ({"content": []}, 1),
        ({"content": "0"}, 0),
        ({"content": [{"type": "text", "text": "a"}]}, 0),
        ({"content": "", "tool_calls": [{"name": "f", "args": {}, "id": "c1"}]}, 0),
        ({"content": "", "error": dict(ERROR)}, 0),
    ],
)
@pytest.mark.parametrize("form", ["rows", "openai"])
def test_counts_answers_that_say_nothing_when_there_are_some(
    tmp_path: Path, form: Form, fields: dict[str, Any], empty: int
):
    """Protects from a night of empty answers that count as answered, in this run and in one that goes on."""
    path = tmp_path / "a.jsonl"
    with open_output(path, form=form) as out:
        out.write(build_result(1))
        out.write(Result(**{"id": "2", "line": 2, "check": 9, "finish_reason": "stop", **fields}))
    with open_output(path, form=form) as again:
        pass
    assert (out.summary.empty, again.summary.empty) == (empty, empty)
    assert again.summary.to_dict()["empty"] == empty
    assert again.summary.answered == 2 - ("error" in fields)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_opens_failed_rows_when_they_are_to_be_asked_again(tmp_path: Path, name: str):
    """Protects `--retry-failed`: failed rows alone are open again, and the output holds each row once."""
    path = tmp_path / name
    write(path, [1, 2, 3, 4], failed=(2, 4))
    assert find_open(path, 4) == []
    assert find_open(path, 4, retry_failed=True) == [2, 4]
    write(path, [4, 2])
    assert find_open(path, 4) == []
    journal = path if name == "a.jsonl" else tmp_path / f"{name}{JOURNAL}"
    assert read_lines(journal) == [1, 3, 4, 2]


def test_is_in_order_when_that_is_wanted(tmp_path: Path):
    """Protects `--ordered` over any number of runs; what is in order already is not written anew."""
    path = tmp_path / "a.jsonl"
    write(path, [5, 1, 3], ordered=True)
    assert read_lines(path) == [1, 3, 5]
    write(path, [4, 2], ordered=True)
    assert read_lines(path) == [1, 2, 3, 4, 5]
    before = path.stat().st_ino
    assert find_open(path, 6, ordered=True) == [6]
    assert path.stat().st_ino == before


def test_drops_what_is_twice_or_broken_when_it_reads(tmp_path: Path):
    """Protects the one result for each row from a file that was mended by hand, or hurt by a crash of the system."""
    path = tmp_path / "a.jsonl"
    write(path, [1, 2])
    data = path.read_bytes()
    path.write_bytes(data + b"\0\0\0\0\n" + data + b'{"id":"9"}\n')
    assert find_open(path, 3) == [3]
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    "data",
    [
        b'{"question": "mine"}\n',
        b"my only novel",
        b"1\n2\n",
        b'{"id": "no line break"}',
        b'{"id":"1","question":"no line break"}',
        b'{"id":"1","line":5}\n{"id":"2","line":"5"}\n',
        b'{"id":"1","line":-5,"check":1}\n',
        b'{"id":"1","line":"x","check":1}\n',
        b'{"id":"1","line":1,"check":1,"error":"it broke"}\n',
        b'{"id":"1","line":1,"check":1,"error":{"message":"it broke"}}\n',
        b'{"id":"1","line":1,"check":1,"error":{"class":"Broken"}}\n',
        b'{"id":"1","line":1,"check":1,"error":{"class":["Broken"],"message":"it broke"}}\n',
        b'{"id":"1","line":1,"check":4294967296}\n',
        b'{"id":"1","line":99999999999999999999999,"check":1}\n',
        b'{"id":"batch_req_1_99999999999","custom_id":"x","error":{"code":"a","message":"b"},"response":null}\n',
        b'{"id":"batch_req_1_5","custom_id":"x","error":"it broke","response":null}\n',
        b'{"id":"batch_req_1_5","custom_id":"x","error":null,"response":[]}\n',
        b'{"id":"batch_req_abc","custom_id":"x","error":null,"response":{"body":{"choices":[]}}}\n',
    ],
)
def test_leaves_a_file_alone_when_it_is_no_output(tmp_path: Path, data: bytes):
    """Protects a user's own file from a wrong -o."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)
    for retry_failed in (False, True):
        with pytest.raises(OutputError, match="choose another output"):
            open_output(path, retry_failed=retry_failed)
    assert path.read_bytes() == data
    table = tmp_path / "a.csv"
    table.write_bytes(data)
    with pytest.raises(OutputError, match="but its journal"):
        open_output(table)


@pytest.mark.parametrize(("name", "ordered"), [("a.jsonl", False), ("a.jsonl", True), ("a.csv", False)])
@pytest.mark.parametrize("way", ["deleted", "moved", "replaced", "folder deleted"])
def test_stops_when_the_output_is_gone(tmp_path: Path, name: str, way: str, *, ordered: bool):
    """Protects a night of answers from a file that nobody can open any more, behind an exit status of 0."""
    path = tmp_path / "out" / name
    path.parent.mkdir()
    written = path if name.endswith("l") else path.with_name(name + JOURNAL)
    out = open_output(path, ordered=ordered)
    out.write(build_result(1))
    if way == "folder deleted":
        shutil.rmtree(path.parent)
    else:
        written.rename(tmp_path / "moved")
    if way == "replaced":
        written.write_bytes(b"")
    with pytest.raises(OutputError, match=f"{written.name} was moved"):
        out.write(build_result(2))
    with pytest.raises(OutputError, match=f"{written.name} was moved"):
        out.__exit__()


@pytest.mark.parametrize(
    ("name", "rows", "named"),
    [("a.jsonl", 30, "a.jsonl"), ("a.csv", 30, f"a.csv{JOURNAL}"), ("a.parquet", 3, "a.parquet.part")],
)
def test_names_the_file_and_keeps_what_fits_when_a_disk_is_full(tmp_path: Path, name: str, rows: int, named: str):
    """Protects from "No space left on device" without the name of a file, and what was written before."""
    resource = pytest.importorskip("resource", reason="the system limits no files")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            write(tmp_path / name, [*range(1, rows + 1)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(tmp_path / named)
    left = find_open(tmp_path / name, rows)
    assert left == [*range(rows + 1 - len(left), rows + 1)]
    assert len(left) < rows


def test_keeps_the_text_of_an_error_without_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Protects what pyarrow says, which Python leaves out of an error with a file's name but no text of the system."""
    monkeypatch.setattr(outputs, "open_writer", Mock(side_effect=OSError("the table is too wide")))
    with pytest.raises(OSError, match="the table is too wide"):
        write(tmp_path / "a.csv", [1])


def test_says_so_when_the_input_has_changed(tmp_path: Path):
    """Protects from answers beside other questions: the line, and what to do."""
    path = tmp_path / "a.jsonl"
    write(path, [1, 2])
    with (
        open_output(path) as out,
        pytest.raises(OutputError, match=r"line 2 .* of the input does not match its result"),
    ):
        out.is_open(build_row(2, "another question"))


def test_refuses_when_another_run_writes(tmp_path: Path):
    """Protects from two runs at one output, each of which would ask everything."""
    pytest.importorskip("fcntl", reason="the system has no locks of this kind")
    path = tmp_path / "a.jsonl"
    with open_output(path):
        with pytest.raises(OutputError, match="another run is writing"):
            open_output(path)
        assert path.exists()
    assert find_open(path, 1) == [1]


@pytest.mark.parametrize(
    ("options", "of_other"), [({}, {"ordered": True}), ({}, {"retry_failed": True}), ({"retry_failed": True}, {})]
)
def test_keeps_every_result_when_another_run_ends_just_before_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Any, of_other: Any
):
    """Protects two runs that start at once: a run never writes to a file that another has replaced meanwhile."""
    fcntl = pytest.importorskip("fcntl", reason="the system has no locks of this kind")
    path = tmp_path / "a.jsonl"
    write(path, [3, 1, 2], failed=(1,))
    lock = fcntl.flock

    def let_other_run_first(*args: Any) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        write(path, [4], **of_other)
        lock(*args)

    monkeypatch.setattr(fcntl, "flock", let_other_run_first)
    write(path, [5], **options)
    retried = {1} if options | of_other == {"retry_failed": True} else set()
    assert set(read_lines(path)) == {1, 2, 3, 4, 5} - retried


def test_writes_when_the_file_system_has_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Protects network drives that know no locks from "another run is writing", which no wait would end."""
    fcntl = pytest.importorskip("fcntl", reason="the system has no locks of this kind")

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    write(tmp_path / "a.jsonl", [1, 2])
    assert read_lines(tmp_path / "a.jsonl") == [1, 2]


@pytest.mark.parametrize("form", ["rows", "openai"])
def test_every_line_stays_as_it_is_when_lines_are_sorted(tmp_path: Path, form: Form):
    """Protects tool calls and all the rest from the sorting at the end of a run, and a link from being replaced."""
    path = tmp_path / "a.jsonl"
    write(path, [3, 1, 2], failed=(2,), form=form)
    before = sorted(path.read_bytes().splitlines())
    link = tmp_path / "link.jsonl"
    link.symlink_to(path)
    write(link, [], form=form, ordered=True)
    assert sorted(path.read_bytes().splitlines()) == before
    assert link.is_symlink()


@pytest.mark.parametrize("options", [{"ordered": True}, {"retry_failed": True}])
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "答案 1.csv"])
def test_replaces_its_files_when_the_system_replaces_no_open_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: Any
):
    """Protects a whole run on Windows from "access denied" at its end, and one that sends failed rows again."""
    opened: list[tuple[Path, IO[Any]]] = []
    open_file, replace = Path.open, Path.replace

    def note(path: Path, *args: Any) -> Any:
        opened.append((path, open_file(path, *args)))
        return opened[-1][1]

    def replace_closed(path: Path, target: Path) -> Path:
        if any(file in {path, target} and not stream.closed for file, stream in opened):
            raise PermissionError(errno.EACCES, "Access is denied", str(target))
        return replace(path, target)

    monkeypatch.setattr(Path, "open", note)
    monkeypatch.setattr(Path, "replace", replace_closed)
    monkeypatch.setattr(outputs, "_REPLACES_OPEN_FILES", False)
    path = tmp_path / name
    write(path, [3, 1, 2], failed=(2,))
    assert find_open(path, 3, **options) == ([2] if "retry_failed" in options else [])


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.parquet"])
@pytest.mark.parametrize("value", [2**70, -(2**70), "\ud83d", {"a": {1, 2}}])
def test_takes_every_value_when_a_model_writes_it(tmp_path: Path, name: str, value: Any):
    """Protects all other rows from a call's number beyond 64 bits, and its digits from being rounded."""
    pytest.importorskip("pyarrow", reason="needs the extra batch")
    path = tmp_path / name
    calls = [{"name": "f", "args": {"n": value}, "id": "c1"}]
    with open_output(path) as out:
        out.write(Result(id="1", line=1, check=build_row(1, "q1").check, tool_calls=calls, parsed={"n": value}))
    assert find_open(path, 1) == []  # the line can be read again
    if isinstance(value, int):
        assert str(value) in json.dumps(
            read_table(path) if path.suffix != ".jsonl" else read_result(path.read_bytes()).parsed
        )


@pytest.mark.parametrize("output", [5, io.StringIO()])
def test_says_how_to_open_it_when_an_output_takes_no_bytes(output: Any):
    """Protects from a raw error after the first answer."""
    with pytest.raises(TypeError, match="a path or a binary stream"):
        open_output(output)


def test_lists_what_there_is_when_a_format_or_form_is_unknown(tmp_path: Path):
    """Protects from JSON lines in the place of another format."""
    options: dict[str, Any]
    for options, said in (({"file_format": "xml"}, "output_format must be one of"), ({"form": "x"}, "form must be")):
        with pytest.raises(ValueError, match=said):
            open_output(tmp_path / "a", **options)


@pytest.mark.parametrize(
    "name", ["a.tsv", "a.xlsx", "a.XLS", "a.jsonl.gz", "a.csv.zst", "a.jsonl.bz2", "a.xz", "a.zip"]
)
def test_refuses_a_name_when_it_stands_for_another_format(tmp_path: Path, name: str):
    """Protects from results that nothing opens: commas in a .tsv, JSON lines in a workbook."""
    with pytest.raises(OutputError, match=r"\.jsonl, \.csv or \.parquet, not \."):
        open_output(tmp_path / name)
    assert not (tmp_path / name).exists()
    with open_output(tmp_path / name, "jsonl") as out:
        out.write(build_result(1))
    assert read_lines(tmp_path / name) == [1]


@pytest.mark.parametrize("name", ["a", "a.json", "a.txt", "a.ndjson", "a.log", "a.2026-11-29", "a.jsonl.1"])
def test_writes_lines_of_json_when_the_name_stands_for_no_table(tmp_path: Path, name: str):
    """Protects the names that people give to lines of JSON."""
    write(tmp_path / name, [1])
    assert read_lines(tmp_path / name) == [1]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_is_a_table_in_order_when_the_name_says_so(tmp_path: Path, name: str):
    """Protects tables: every row in the input's order with all of its columns, whole at the end of each run."""
    pytest.importorskip("pyarrow", reason="needs the extra batch")
    path = tmp_path / name
    write(path, [3, 1], failed=(3,))
    write(path, [2])
    rows = read_table(path)
    assert [int(row["line"]) for row in rows] == [1, 2, 3]
    assert rows[0]["content"] == "答案 🙂\u2028\n"
    assert json.loads(rows[0]["tool_calls"]) == [{"name": "f", "args": {"城": 1}, "id": "c1"}]
    assert [int(rows[0][name]) for name in USAGE] == list(USAGE.values())
    assert (rows[0]["finish_reason"], rows[0]["error_class"]) == ("length", "" if name == "a.csv" else None)
    assert [rows[2][f"error_{part}"] for part in ("class", "message", "advice")] == list(ERROR.values())[:3]
    assert [row["error_status"] for row in rows] == (["", "", "500"] if name == "a.csv" else [None, None, 500])


@pytest.mark.parametrize("name", ["a.parquet", "q.parquet"])
def test_names_the_extra_when_parquet_cannot_be_written_or_read(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
):
    """Protects a night's work: that Parquet needs pyarrow is an error of the first second, and leaves no file."""
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    path = tmp_path / name
    with pytest.raises(ImportError, match=r'extra "batch"'):
        open_output(path) if name == "a.parquet" else check_source(write_bytes(path))
    assert [*tmp_path.iterdir()] == ([] if name == "a.parquet" else [path])


def write_bytes(path: Path) -> Path:
    """Write some bytes, and return the path."""
    path.write_bytes(b"PAR1")
    return path


def read_table(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a table."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def test_is_openais_when_that_form_is_wanted(tmp_path: Path):
    """Protects programs made for OpenAI's batch results: an answer is a chat completion, a failure has its status."""
    path = tmp_path / "a.jsonl"
    write(path, [1, 2], failed=(2,), form="openai")
    answer, failure = map(json.loads, path.read_bytes().splitlines())
    assert (answer["custom_id"], answer["error"], answer["response"]["status_code"]) == ("1", None, 200)
    ChatCompletion.model_validate(answer["response"]["body"], strict=True)
    choice = answer["response"]["body"]["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["reasoning_content"] == "hm"
    assert json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"]) == {"城": 1}
    assert answer["response"]["body"]["usage"]["total_tokens"] == 12
    assert (failure["custom_id"], failure["response"]["status_code"]) == ("2", 500)
    assert failure["error"]["code"] == "Qwen3ServerError"
    with pytest.raises(OutputError, match="lines of JSON, not csv"):
        open_output(tmp_path / "a.csv", form="openai")


CALL = {"name": "f", "args": {}, "id": "1"}
CUT = {"name": None, "args": "{", "id": None, "error": "it was cut"}


@pytest.mark.parametrize(
    ("reason", "calls", "written"),
    [
        ("stop", [], "stop"),
        ("length", [], "length"),
        ("length", [CUT], "length"),
        ("content_filter", [], "content_filter"),
        ("tool_calls", [CALL], "tool_calls"),
        ("function_call", [CALL], "function_call"),
        ("tool_use", [CALL], "tool_calls"),
        ("eos_token", [], "stop"),
        ("completed", [CALL], "tool_calls"),
        ("repetition", [], "length"),
        ("sensitive", [CALL], "length"),
        ("abort", [CUT], "length"),
        (None, [], "stop"),
        (None, [CUT], "tool_calls"),
    ],
)
def test_sdk_reads_openais_form_whatever_the_server_said(reason: str | None, calls: list[Any], written: str):
    """Protects programs made for OpenAI's batch results from other servers' words and from a call without its name."""
    result = Result(id="a", line=1, check=1, content="A", finish_reason=reason, tool_calls=calls)
    body = json.loads(result.to_json("openai"))["response"]["body"]
    choice = ChatCompletion.model_validate(body, strict=True).choices[0]
    assert (choice.finish_reason, len(choice.message.tool_calls or ())) == (written, len(calls))


@pytest.mark.parametrize("file_format", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("ordered", [True, False])
def test_goes_through_a_pipe_when_there_is_no_file(file_format: Any, *, ordered: bool):
    """Protects pipes: rows as they come, or in order and held back no longer than needed."""
    pytest.importorskip("pyarrow", reason="needs the extra batch")
    stream = io.BytesIO()
    with open_output(stream, file_format, ordered=ordered) as out:
        for line in (1, 2, 3):
            assert out.is_open(build_row(line, f"q{line}"))
        out.write(build_result(2))
        if file_format == "jsonl":
            assert bool(stream.getvalue()) is not ordered
        out.write(build_result(1))
        out.write(build_result(3))
    if file_format == "parquet":
        import pyarrow.parquet as pq

        lines = pq.read_table(io.BytesIO(stream.getvalue()))["line"].to_pylist()
    elif file_format == "csv":
        lines = [int(row["line"]) for row in csv.DictReader(io.StringIO(stream.getvalue().decode(), newline=""))]
    else:
        lines = [json.loads(line)["line"] for line in stream.getvalue().splitlines()]
    assert lines == ([1, 2, 3] if ordered else [2, 1, 3])


@pytest.mark.parametrize("file_format", ["jsonl", "csv", "parquet"])
def test_goes_through_a_pipe_when_an_id_is_half_a_character(file_format: Any):
    """Protects the other rows of a table in memory: no file in UTF-8 holds half of an emoji."""
    pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra batch")
    stream = io.BytesIO()
    with open_output(stream, file_format) as out:
        out.write(Result(id="\ud83d", line=1, check=1, content="答"))
    data = stream.getvalue()
    assert "答" in (str(pq.read_table(io.BytesIO(data)).to_pylist()) if file_format == "parquet" else data.decode())


def test_takes_no_further_row_when_too_many_wait_for_one():
    """Protects memory under `--ordered`: a row that takes for ever must not pile up all that come after it."""
    with open_output(io.BytesIO(), ordered=True) as out:
        for line in range(1, 1100):
            out.is_open(build_row(line, f"q{line}"))
        for line in range(2, 1025):
            out.write(build_result(line))
        assert not out.is_full
        out.write(build_result(1025))
        assert out.is_full
        out.write(build_result(1))
        assert not out.is_full
