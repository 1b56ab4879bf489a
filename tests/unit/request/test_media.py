"""Image, video, audio and file parts: the exact wire part in every form that people write them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import HumanMessage, ToolMessage

from langchain_qwen3.profiles import find_line
from langchain_qwen3.request.media import MediaError, read_media, write_media
from langchain_qwen3.request.messages import write_messages
from langchain_qwen3.servers.dialects import Dialect
from langchain_qwen3.servers.engines import LLAMA_CPP, OLLAMA, SGLANG, VLLM
from langchain_qwen3.servers.hosts import DASHSCOPE, OPENROUTER

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://example.com/a.png"
IMAGE = {"type": "image_url", "image_url": {"url": URL}}
DATA = "data:image/png;base64,AAAA"
IMAGE_DATA = {"type": "image_url", "image_url": {"url": DATA}}


@pytest.mark.parametrize(
    ("part", "wire"),
    [
        ({"type": "image", "url": URL}, IMAGE),
        ({"type": "image", "base64": "AAAA", "mime_type": "image/png"}, IMAGE_DATA),
        ({"type": "image", "source_type": "url", "url": URL}, IMAGE),
        ({"type": "image", "source_type": "base64", "data": "AAAA", "mime_type": "image/png"}, IMAGE_DATA),
        ({"type": "image", "source": {"type": "base64", "data": "AAAA", "media_type": "image/png"}}, IMAGE_DATA),
        ({"type": "image", "source": {"type": "url", "url": URL}}, IMAGE),
        ({"type": "image", "image": URL}, IMAGE),
        ({"type": "image_url", "image_url": URL}, IMAGE),
        ({"type": "image_url", "image_url": {"url": URL}, "uuid": "x"}, {**IMAGE, "uuid": "x"}),
        (
            {"type": "image", "url": URL, "extras": {"detail": "low", "max_pixels": 9}},
            {"type": "image_url", "image_url": {"url": URL, "detail": "low"}, "max_pixels": 9},
        ),
        ({"type": "video", "url": URL, "fps": 2}, {"type": "video_url", "video_url": {"url": URL}, "fps": 2}),
        (
            {"type": "video", "base64": "AAAA", "mime_type": "video/mp4"},
            {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
        ),
        ({"type": "video", "video": URL}, {"type": "video_url", "video_url": {"url": URL}}),
        ({"type": "video", "video": [URL, URL], "fps": 1}, {"type": "video", "video": [URL, URL], "fps": 1}),
        ({"type": "file", "base64": "AAAA", "mime_type": "image/png"}, IMAGE_DATA),
        ({"type": "file", "base64": "SGk=", "mime_type": "text/plain"}, {"type": "text", "text": "Hi"}),
        ({"type": "text-plain", "text": "Hi", "mime_type": "text/plain"}, {"type": "text", "text": "Hi"}),
        ({"type": "image_embeds", "image_embeds": "x"}, {"type": "image_embeds", "image_embeds": "x"}),
    ],
)
def test_writes_openais_part_when_it_came_in_any_form(part: dict[str, Any], wire: dict[str, Any]):
    """Protects code from LangChain v1, v0, OpenAI, Anthropic and Qwen's own cards; settings beside the data stay."""
    before = repr(part)
    assert write_media(part, VLLM) == wire
    assert repr(part) == before


AUDIO_URL = "https://example.com/a.mp3?x=1"
AUDIO = {"type": "audio", "base64": "AAAA", "mime_type": "audio/mpeg"}
OPENAI_AUDIO = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}


def build_input(data: str, format_: str) -> dict[str, Any]:
    """OpenAI's audio part."""
    return {"type": "input_audio", "input_audio": {"data": data, "format": format_}}


@pytest.mark.parametrize(
    ("dialect", "part", "wire"),
    [
        (LLAMA_CPP, AUDIO, build_input("AAAA", "mp3")),
        (LLAMA_CPP, OPENAI_AUDIO, OPENAI_AUDIO),
        (VLLM, AUDIO, {"type": "audio_url", "audio_url": {"url": "data:audio/mpeg;base64,AAAA"}}),
        (VLLM, {"type": "audio", "url": AUDIO_URL}, {"type": "audio_url", "audio_url": {"url": AUDIO_URL}}),
        (SGLANG, OPENAI_AUDIO, {"type": "audio_url", "audio_url": {"url": "data:audio/wav;base64,AAAA"}}),
        (DASHSCOPE, AUDIO, build_input("data:audio/mpeg;base64,AAAA", "mp3")),
        (DASHSCOPE, {"type": "audio", "url": AUDIO_URL}, build_input(AUDIO_URL, "mp3")),
        (DASHSCOPE, OPENAI_AUDIO, build_input("data:audio/wav;base64,AAAA", "wav")),
        (DASHSCOPE, build_input(AUDIO_URL, "mp3"), build_input(AUDIO_URL, "mp3")),
    ],
)
def test_writes_audio_as_the_server_takes_it_when_it_came_in_any_form(
    dialect: Dialect, part: dict[str, Any], wire: dict[str, Any]
):
    """Protects audio, which every server spells in its own way."""
    assert write_media(part, dialect) == wire


def test_sends_a_pdf_when_the_service_takes_files():
    """Protects OpenRouter's file parts."""
    pdf = {"type": "file", "base64": "AAAA", "mime_type": "application/pdf", "filename": "a.pdf"}
    file = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}
    assert write_media(pdf, OPENROUTER) == {"type": "file", "file": file}
    assert write_media({"type": "file", "file": file}, OPENROUTER) == {"type": "file", "file": file}


@pytest.mark.parametrize(
    ("dialect", "part", "text"),
    [
        (VLLM, {"type": "image", "path": "/etc/passwd"}, "read_media"),
        (VLLM, {"type": "image"}, "neither url nor base64"),
        (VLLM, {"type": "image", "base64": "AAAA"}, "no mime_type"),
        (VLLM, {"text": "x"}, "has no type"),
        (VLLM, {"type": "file", "base64": "AAAA", "mime_type": "application/pdf"}, "takes no files"),
        (VLLM, {"type": "file", "file": {"file_id": "x"}}, "keeps no files"),
        (OLLAMA, {"type": "image", "url": URL}, "base64 data only"),
        (OLLAMA, {"type": "image_url", "image_url": {"url": URL}}, "base64 data only"),
        (OLLAMA, {"type": "video", "url": URL}, "Ollama takes no video parts"),
        (LLAMA_CPP, {"type": "audio", "url": AUDIO_URL}, "audio as base64 data only"),
    ],
)
def test_says_what_to_change_when_a_part_cannot_be_sent(dialect: Dialect, part: dict[str, Any], text: str):
    """Protects from a server's 400, and local files from a message that names one."""
    with pytest.raises(MediaError, match=text):
        write_media(part, dialect)


@pytest.mark.parametrize(
    ("model", "part"),
    [("Qwen/Qwen3-8B", {"type": "image", "url": URL}), ("Qwen/Qwen3.5-4B", {"type": "audio", "url": AUDIO_URL})],
)
def test_names_the_checkpoint_when_it_cannot_see_or_hear(model: str, part: dict[str, Any]):
    """Protects from a 500 (llama.cpp) or a part that a template drops in silence."""
    with pytest.raises(MediaError, match=r"Qwen3.* take"):
        write_media(part, VLLM, find_line(model))
    assert write_media(part, VLLM, find_line("my-alias"))


def test_sends_media_in_human_and_tool_messages_when_text_stands_beside_it():
    """Protects screenshots that a tool took, and the order of the parts."""
    parts: list[str | dict[str, Any]] = [
        "Look: ",
        {"type": "image", "url": URL},
        "What ",
        {"type": "text", "text": "is it?"},
    ]
    expected = [{"type": "text", "text": "Look: "}, IMAGE, {"type": "text", "text": "What is it?"}]
    messages = [HumanMessage(parts), ToolMessage(parts, tool_call_id="1")]
    wire = write_messages(messages, VLLM, replay="all", line=find_line("Qwen/Qwen3-VL-8B-Instruct"))
    assert [message["content"] for message in wire] == [expected, expected]


def test_reads_a_file_when_it_is_told_to(tmp_path: Path):
    """Protects the one way from the disk into a message: explicit, and with the right type."""
    for name, kind in (("a.png", "image"), ("a.mp4", "video"), ("a.wav", "audio"), ("a.pdf", "file")):
        (tmp_path / name).write_bytes(b"data")
        block = read_media(tmp_path / name)
        assert (block["type"], base64.b64decode(block["base64"])) == (kind, b"data")
    assert block["filename"] == "a.pdf"
    assert write_media(read_media(tmp_path / "a.png"), OLLAMA)["image_url"]["url"].startswith("data:image/png;base64,")
    (tmp_path / "a").write_bytes(b"data")
    with pytest.raises(MediaError, match="suffix"):
        read_media(tmp_path / "a")
