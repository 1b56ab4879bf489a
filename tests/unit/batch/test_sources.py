"""Rows out of files and pipes: places, encodings, and lines that are broken."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from langchain_qwen3.batch.sources import check_source, count_rows, is_pipe, read_rows

LONG = "字" * 200_000


LINES = b'{"question": "a"}\n'
PACKED = [
    (gzip.compress(LINES, mtime=0), "zcat"),
    (bz2.compress(LINES), "bzcat"),
    (lzma.compress(LINES), "xzcat"),
    (b"\x28\xb5\x2f\xfd\x24\x12\x91\x00\x00" + LINES, "zstdcat"),
    (b"PK\x03\x04\x14\x00\x08\x08" + LINES, "workbook"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + LINES, "workbook"),
    (b"PAR1\x15\x04\x15\x10" + LINES, "Parquet"),
    (b"ARROW1\0\0" + LINES, "no text"),
    (b"SQLite format 3\0\x10\n" + LINES, "no text"),
    ("question\na\n".encode("utf-16-le"), "iconv -f UTF-16"),  # without a BOM, as iconv writes it
    ("question\na\n".encode("utf-16-be"), "iconv -f UTF-16"),
]


def read(data: bytes, file_format: Any = None, **options: Any) -> list[tuple[int, str]]:
    """Return line and question of every row, or its problem."""
    rows = read_rows(io.BytesIO(data), file_format, **options)
    return [(row.line, row.problem or row.messages[-1]["content"]) for row in rows]


@pytest.mark.parametrize(
    ("file_format", "data", "found"),
    [
        ("text", "一\n\ntwo \r\nthree".encode(), [(1, "一"), (3, "two"), (4, "three")]),
        ("text", "\ufeff一\u2028二\x0b三\n".encode(), [(1, "一\u2028二\x0b三")]),
        ("text", b"{not: json\n", [(1, "{not: json")]),
        ("jsonl", b'"a"\n{"question":"b"}\n \n{"question":"c"}', [(1, "a"), (2, "b"), (4, "c")]),
        ("jsonl", b'\xef\xbb\xbf{"question":"b"}\r\n', [(1, "b")]),
        ("csv", b'id,question\n1,one\n2,"two\nlines"\n\n3,three\n', [(2, "one"), (3, "two\nlines"), (6, "three")]),
        ("csv", b"\xef\xbb\xbfquestion\r\none\r\n", [(2, "one")]),
        ("csv", b"whatever\none\n", [(2, "one")]),
        ("csv", b"Question \none\n", [(2, "one")]),
        ("csv", b'id,messages\n1,"[{""role"": ""user"", ""content"": ""one""}]"\n', [(2, "one")]),
        ("csv", "编号,question\n1,一\n".encode(), [(2, "一")]),
        ("text", b"BZh or PAR1 or PK is what?\n", [(1, "BZh or PAR1 or PK is what?")]),
        ("text", b"PAR1 is what?\n", [(1, "PAR1 is what?")]),
        ("text", b"PK\n", [(1, "PK")]),
        ("csv", b"\n\nquestion\none\n", [(4, "one")]),
        ("csv", f"question\n{LONG}\n".encode(), [(2, LONG)]),
        ("csv", b"", []),
        ("text", b"", []),
        (None, b'{"question":"b"}\n', [(1, "b")]),
        (None, b"plain\n{odd\n", [(1, "plain"), (2, "{odd")]),
        (None, b'[{"role":"user","content":"b"}]\n', [(1, "b")]),
        (None, b"[1] is what?\n", [(1, "[1] is what?")]),
        (None, b"42\n", [(1, "42")]),
        (None, b"\n", []),
        (None, b"\n \nplain\n", [(3, "plain")]),
        (None, b'\xef\xbb\xbf\r\n\n{"question":"b"}\n', [(3, "b")]),
        (None, b'"\\u4f60"\n"b"\n', [(1, "\u4f60"), (2, "b")]),
        (None, b'"To be" is what?\n', [(1, '"To be" is what?')]),
        (None, b'\n[{"role":"user","content":"b"}]\n', [(2, "b")]),
        (None, b"[a], [b], or [c]?\n", [(1, "[a], [b], or [c]?")]),
    ],
)
def test_reads_rows_with_their_lines_when_files_are_of_any_kind(
    file_format: Any, data: bytes, found: list[tuple[int, str]]
):
    """Protects the place of every row, which is what it is known by: blank lines and cells of several lines count."""
    assert read(data, file_format) == found


@pytest.mark.parametrize(
    ("file_format", "data", "line", "said"),
    [
        ("jsonl", b'"a"\n{"question": \n"c"\n', 2, "invalid JSON ("),
        ("jsonl", b'"a"\n{"question": "\xff"}\n"c"\n', 2, "invalid JSON ("),
        ("jsonl", b'"a"\nNaN\n"c"\n', 2, "invalid JSON ("),
        ("text", b"a\n\xff\nc\n", 2, "invalid UTF-8 (invalid start byte at byte 0)"),
        ("csv", b"id,question\n1,a\n2\n3,c\n", 3, "1 cells for 2 columns"),
        ("csv", b"id,question\n1,a\n2,b,x\n3,c\n", 3, "3 cells for 2 columns"),
        ("csv", b"id,question\n1,a\n2,\xff\n3,c\n", 3, "invalid UTF-8 ("),
        ("csv", b"id,question\n1,a\n2,\n3,c\n", 3, "no question among the fields id"),
        ("csv", b'id,question\n1,a\n2,"x"y\n3,c\n', 3, "invalid CSV ("),
        ("csv", b"id,question,settings\n1,a,\n2,b,{\n3,c,{}\n", 3, "settings is not valid JSON"),
    ],
)
def test_goes_on_when_a_line_is_broken(file_format: Any, data: bytes, line: int, said: str):
    """Protects the rows behind a bad one, and names its line."""
    rows = read(data, file_format)
    assert [text for _, text in rows[:1] + rows[2:]] == ["a", "c"]
    assert rows[1][0] == line
    assert rows[1][1].startswith(f"line {line}: {said}")


def test_says_where_the_rest_went_when_a_quotation_mark_has_no_end():
    """Protects from a file whose last thousand rows are one failure that names only its end."""
    first, second = read(b'id,question\n1,a\n2,"b\n3,c\n4,d\n', "csv")
    assert first == (2, "a")
    assert second[0] == 3
    assert "a quotation mark here has no end, so all lines below belong to its cell" in second[1]


@pytest.mark.parametrize("file_format", ["text", "jsonl", "csv"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "big5", "cp932"])
def test_names_the_remedy_when_a_row_is_in_another_encoding(file_format: Any, encoding: str):
    """Protects who saves a table in Excel, or writes a file in Python, on a Windows of China or Japan."""
    begin, end = {"text": ("", ""), "jsonl": ('{"question": "', '"}'), "csv": ("question,id\n", ",1")}[file_format]
    rows = list(read_rows(io.BytesIO(f"{begin}日本{end}\n".encode(encoding)), file_format))
    assert len(rows) == 1
    assert ("iconv -f GBK -t UTF-8" in rows[0].problem) is not encoding.startswith("utf")


@pytest.mark.parametrize(
    ("file_format", "data", "said"),
    [
        *(
            (None, document, "jq -c")
            for document in (
                b'[\n  {"question": "a"}\n]\n',
                b'\n[\n  "a"\n]\n',
                b'[{"question": "a"},\n {"question": "b"}]\n',
                b'["a",\n"b"]\n',
                b'[{\n  "question": "a"\n}]\n',
                b'{"questions": [\n"a"]}\n',
                b'["a", "b"]',
                b'[{"question": "a"}, {"question": "b"}]',
                b'[[{"role": "user", "content": "a"}]]',
                b'\xef\xbb\xbf["a"]\n',
                b"[]",
                b"[1, 2]\n",
            )
        ),
        *((kind, "question\na\n".encode(f"utf-{bits}"), "UTF-8") for kind in ("text", "csv") for bits in (16, 32)),
        ("jsonl", '\ufeff{"question": "a"}\n'.encode("utf-16-be"), "UTF-8"),
        ("csv", b"question\ra\rb\r", "header is invalid CSV"),
        ("csv", b'"a"b,question\n1,2\n', "header is invalid CSV"),
        ("csv", b"id;question\n1;a\n", "with commas"),
        ("csv", b"id\tquestion\n1\ta\n", "with commas"),
        ("csv", "编号,question\n1,谁\n".encode("gbk"), "header is not UTF-8"),
        ("csv", "問い,id\n1,2\n".encode("shift-jis"), "header is not UTF-8"),
        ("csv", b"id, question\n1,a\n", "no column question or prompt .* among the columns id,  question"),
        ("csv", b"ID,Question\n1,a\n", "no column question"),
        ("csv", b"id,answer\n", "no column question"),
        *((kind, data, said) for kind in ("text", "jsonl", "csv", None) for data, said in PACKED),
    ],
)
def test_says_what_to_do_when_no_row_can_be_read(file_format: Any, data: bytes, said: str):
    """Protects from a failure, or a senseless question, per line of a file of another kind."""
    with pytest.raises(ValueError, match=said):
        read(data, file_format)


def test_fails_the_line_alone_when_the_first_line_of_json_is_broken():
    """Protects the rows behind it: a broken line is no document."""
    for first in (
        b'{"question": "a",}',
        b'{"question": "a"},',
        b'[{"role": "user", "content": "a"}}]',
        b'{"question": "a',
    ):
        broken, good = read(first + b'\n{"question": "b"}\n')
        assert broken[1].startswith("line 1: invalid JSON (")
        assert good == (2, "b")


def test_keeps_every_digit_when_a_row_has_long_numbers():
    """Protects numbers of a row from being rounded on their way to the server."""
    (row,) = read_rows(io.BytesIO(b'{"question": "a", "settings": {"seed": 123456789012345678901}}\n'), "jsonl")
    assert row.settings == {"seed": 123456789012345678901}


class DataFrame(dict[str, Any]):
    """Iterates over the names of its columns, as those of pandas do."""

    columns = ("question",)


@pytest.mark.parametrize("source", [None, 5, b"a", {"question": "a"}, DataFrame(question=["a"])])
def test_says_what_to_pass_when_a_source_holds_no_rows(source: Any):
    """Protects from asking the names of a mapping's keys or of a table's columns."""
    with pytest.raises(TypeError, match=f"source is an? {type(source).__name__}: pass a path"):
        check_source(source)


def test_says_how_to_open_it_when_a_stream_is_one_of_text():
    """Protects from a raw error of a method of bytes."""
    with pytest.raises(TypeError, match="open it in binary mode"):
        list(read_rows(io.StringIO("a\n")))  # type: ignore[arg-type]


def test_lists_the_formats_when_there_is_no_such_one():
    """Protects from a bare KeyError."""
    with pytest.raises(ValueError, match="input_format must be one of text, jsonl, csv, parquet, not 'xml'"):
        check_source([], "xml")  # type: ignore[arg-type]


def test_refuses_when_the_output_is_the_input(tmp_path: Path):
    """Protects the rows: a single one without a line break looks like a result that a kill broke off."""
    path, link = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    path.write_bytes(b'{"id":"1","question":"a"}')
    link.symlink_to(path)
    for output in (path, str(link)):
        with pytest.raises(ValueError, match="is the input: choose another output"):
            check_source(str(path), None, output)
    check_source("-", None, path)


def test_reads_rows_when_they_are_in_memory():
    """Protects the function: lists and generators of texts and mappings, and their length where they have one."""
    values = ["a", {"question": "b"}]
    assert [(row.line, row.messages[0]["content"]) for row in read_rows(iter(values))] == [(1, "a"), (2, "b")]
    assert count_rows(values) == 2
    assert count_rows(iter(values)) is None


class Series(list[Any]):
    """A column as pandas, polars and numpy have it: comparing it gives a column, which is neither true nor false."""

    def __eq__(self, _other: object) -> Any:
        return self

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise ValueError("the truth value of a Series is ambiguous")


def test_reads_a_column_when_it_is_in_memory():
    """Protects `run_batch(llm, df["question"], …)` from an error about truth values."""
    column = Series(["a", "b"])
    check_source(column)
    assert not is_pipe(column)
    assert count_rows(column) == 2
    assert [row.messages[0]["content"] for row in read_rows(column)] == ["a", "b"]


def test_counts_rows_when_a_bar_wants_to_know(tmp_path: Path):
    """Protects the bar's total; blank lines and a header are no rows."""
    for name, data in (("a.jsonl", b'"a"\n\n"b"\n'), ("a.csv", b"question\na\nb\n"), ("a.txt", b"a\nb")):
        (tmp_path / name).write_bytes(data)
        assert count_rows(tmp_path / name) == 2
    assert count_rows("-") is None
    assert is_pipe("-")


def test_reads_parquet_when_pyarrow_is_there(tmp_path: Path):
    """Protects tables of Parquet, of one column and of many, from a file and from a pipe that cannot seek."""
    pa = pytest.importorskip("pyarrow", reason="needs the extra batch")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra batch")
    path = tmp_path / "a.parquet"
    values = [{"id": at, "question": f"q{at}" if at != 3 else None, "n": json.dumps(at)} for at in range(3000)]
    pq.write_table(pa.Table.from_pylist(values), path)
    rows = list(read_rows(path))
    assert [row.line for row in rows] == list(range(1, 3001))
    assert rows[2999].id == "2999"
    assert "no question among the fields id, n" in rows[3].problem
    assert count_rows(path) == 3000

    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

    assert [row.check for row in read_rows(Unseekable(path.read_bytes()), "parquet")] == [row.check for row in rows]


PARTS = [
    {"type": "text", "text": "a"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
ENUM = {"a": {"type": "string"}, "b": {"enum": ["x"]}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("name", "cell", "found"),
    [
        ("messages", [{"role": "user", "content": PARTS}], {}),
        ("messages", json.dumps([{"role": "user", "content": PARTS}]), {}),
        ("messages", [{"role": "assistant", "tool_calls": [CALL]}, {"role": "user", "content": "a", "name": "b"}], {}),
        ("tools", json.dumps(TOOLS), {"tools": TOOLS}),
        ("tools", [{"parameters": {"properties": ENUM}}], {"tools": [{"parameters": {"properties": ENUM}}]}),
        ("settings", '{"max_tokens": 5, "stop": null}', {"max_tokens": 5, "stop": None}),
        ("settings", {"max_tokens": 5, "stop": None}, {"max_tokens": 5}),
        ("body", json.dumps({"messages": [{"role": "user", "content": "a"}], "max_tokens": 5}), {"max_tokens": 5}),
    ],
)
def test_reads_structs_and_json_when_a_parquet_file_has_them(tmp_path: Path, name: str, cell: Any, found: Any):
    """Protects datasets of conversations and tools: Parquet gives each struct the fields of all the others, as null."""
    pa = pytest.importorskip("pyarrow", reason="needs the extra batch")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra batch")
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.Table.from_pylist([{name: cell, **({} if name in {"messages", "body"} else {"question": "a"})}]), path
    )
    (row,) = read_rows(path)
    assert not row.problem
    assert row.settings == found
    if name == "messages":
        assert row.messages == (json.loads(cell) if isinstance(cell, str) else cell)
    assert row.build_messages()


def test_names_the_cell_when_its_json_in_parquet_is_broken(tmp_path: Path):
    """Protects the error of a table's cell: it is the same in CSV and Parquet."""
    pa = pytest.importorskip("pyarrow", reason="needs the extra batch")
    pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra batch")
    pq.write_table(pa.Table.from_pylist([{"question": "a", "settings": "{"}]), tmp_path / "a.parquet")
    (row,) = read_rows(tmp_path / "a.parquet")
    assert row.problem.startswith("line 1: settings is not valid JSON (")


@pytest.mark.parametrize("text", ["[Poem] Roses are red,", "[背景] 你是客服,", "[INST] Hello, ["])
def test_a_line_is_text_when_it_only_begins_like_json(text: str):
    """Protects plain questions that begin with a mark in brackets."""
    assert [said for _, said in read(f"{text}\nWho?\n".encode(), None)] == [text, "Who?"]


@pytest.mark.parametrize(
    ("columns", "column", "missing"),
    [
        (["id", "prompt"], None, ""),
        (["id", "messages"], None, ""),
        (["custom_id", "body"], None, ""),
        (["custom_id", "body"], "q", ""),
        (["id", "q"], "q", ""),
        (["id", "q"], None, "question or prompt or instruction or input or text or messages"),
        (["id", "question"], "q", "q"),
        (["id", "messages"], "q", "q"),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_says_so_at_once_when_a_table_has_no_question(kind: str, columns: list[str], column: str | None, missing: str):
    """Protects from a result per row that says the same: a misspelt column fails the run, not a million rows."""
    stream = io.BytesIO()
    if kind == "csv":
        stream.write(f"{','.join(columns)}\na,b\n".encode())
    else:
        parquet = pytest.importorskip("pyarrow.parquet")
        table = pytest.importorskip("pyarrow").table({name: ["a"] for name in columns})
        parquet.write_table(table, stream)
    stream.seek(0)
    rows = read_rows(stream, kind, column)  # type: ignore[arg-type]
    if not missing:
        assert len(list(rows)) == 1
        return
    with pytest.raises(ValueError, match=rf"no column {missing} among the columns {', '.join(columns)}: .*--column"):
        list(rows)
