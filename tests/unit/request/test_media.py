"""Image, video, audio and file parts: the exact wire part in every form that people write them."""

from __future__ import annotations

import base64
import json
import re
import warnings
from contextlib import nullcontext, suppress
from itertools import product
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._warnings import UnsupportedSettingWarning
from langchain_qwen3.profiles import ModelLine, find_line, resolve_line
from langchain_qwen3.request.media import MediaError, lift_media_settings, read_media, write_media
from langchain_qwen3.request.media_forms import OTHER_SETTINGS, find_kind, holds_data
from langchain_qwen3.request.messages import write_messages
from langchain_qwen3.servers.dialects import DIALECTS, Dialect
from langchain_qwen3.servers.engines import LLAMA_CPP, OLLAMA, SGLANG, VLLM
from langchain_qwen3.servers.hosts import DASHSCOPE, OPENROUTER, SILICONFLOW
from tests.support.rows import list_unlike, watch

if TYPE_CHECKING:
    from pathlib import Path

OMNI = "Qwen/Qwen3-Omni-30B-A3B-Instruct"
URL = "https://example.com/a.png"
IMAGE = {"type": "image_url", "image_url": {"url": URL}}
DATA = "data:image/png;base64,AAAA"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
IMAGE_PNG = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
DATA_JPEG = "data:image/jpeg;base64,AAAA"
JPEG = b"\xff\xd8\xff\xe0\x00\x10"
IMAGE_DATA = {"type": "image_url", "image_url": {"url": DATA}}
IMAGE_BYTES = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iQAB"}}


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
        ({"type": "file", "base64": "AAAA", "mime_type": "image/png"}, IMAGE_DATA),
        ({"type": "file", "base64": "SGk=", "mime_type": "text/plain"}, {"type": "text", "text": "Hi"}),
        ({"type": "text-plain", "text": "Hi", "mime_type": "text/plain"}, {"type": "text", "text": "Hi"}),
        ({"type": "image_embeds", "image_embeds": "x"}, {"type": "image_embeds", "image_embeds": "x"}),
        ({"type": "image", "data": "AAAA", "mimeType": "image/png"}, IMAGE_DATA),  # JavaScript, MCP
        ({"type": "image", "image": DATA, "mediaType": "image/png"}, IMAGE_DATA),
        ({"type": "file", "data": "AAAA", "mimeType": "image/png"}, IMAGE_DATA),
        (
            {"type": "input_image", "image_url": URL, "detail": "low"},
            {**IMAGE, "image_url": {"url": URL, "detail": "low"}},
        ),
        ({"image": {"format": "png", "source": {"bytes": b"\x89\0\1"}}}, IMAGE_BYTES),  # Bedrock
        ({"inline_data": {"mime_type": "image/png", "data": "AAAA"}}, IMAGE_DATA),  # Gemini
        ({"type": "media", "mime_type": "image/png", "data": "AAAA"}, IMAGE_DATA),
        ({"type": "image", "base64": b"AAAA", "mime_type": "image/png"}, IMAGE_DATA),  # b64encode without decode
        ({"type": "image", "base64": "AA\nAA\n", "mime_type": "image/png"}, IMAGE_DATA),
        ({"type": "image", "base64": b"\x89\0\1", "mime_type": "image/png"}, IMAGE_BYTES),
        ({"type": "resource", "resource": {"uri": "a://b", "mimeType": "image/png", "blob": "AAAA"}}, IMAGE_DATA),
        ({"type": "resource", "resource": {"uri": "a://b", "text": "Hi"}}, {"type": "text", "text": "Hi"}),
        (
            {"type": "video", "video": [DATA_JPEG, {"type": "image", "base64": "BBBB", "mime_type": "image/jpeg"}]},
            {"type": "video_url", "video_url": {"url": "data:video/jpeg;base64,AAAA,BBBB"}},
        ),
        *(
            (
                {**part, "fps": 2},
                {"type": "video_url", "video_url": {"url": "data:video/jpeg;base64,AAAA,AAAA"}, "fps": 2},
            )
            for part in (
                {"video": [DATA_JPEG, DATA_JPEG]},  # DashScope's own API
                {"video": (DATA_JPEG, DATA_JPEG)},
                {"type": "video", "frames": [DATA_JPEG, DATA_JPEG]},
                {"type": "video", "video": (DATA_JPEG, DATA_JPEG)},
                {"type": "video_url", "video_url": [DATA_JPEG, DATA_JPEG]},
                {"type": "video_url", "video_url": {"url": [DATA_JPEG, DATA_JPEG]}},
                {"type": "video_url", "video_url": {"url": "data:video/jpeg;base64,AAAA,AAAA"}},  # vLLM's
            )
        ),
        (
            {"type": "video", "video": [JPEG, bytearray(JPEG)]},  # as Pillow writes them
            {"type": "video_url", "video_url": {"url": "data:video/jpeg;base64,/9j/4AAQ,/9j/4AAQ"}},
        ),
        ({"image": URL}, IMAGE),  # DashScope's own API
        ({"image": URL, "max_pixels": 9}, {**IMAGE, "max_pixels": 9}),
        ({"video": URL, "max_frames": 9}, {"type": "video_url", "video_url": {"url": URL}, "max_frames": 9}),
        ({"image": URL, "text": None, "video": None}, IMAGE),
        ({"image": base64.b64decode(PNG)}, IMAGE_PNG),
        *(
            ({"type": "file", "base64": PNG, **more}, IMAGE_PNG)
            for more in ({}, {"mime_type": "application/octet-stream"}, {"filename": "upload"})
        ),
        ({"type": "resource", "resource": {"uri": "file:///a", "blob": PNG}}, IMAGE_PNG),
        ({"type": "file", "file": {"file_data": f"data:;base64,{PNG}"}}, IMAGE_PNG),
        ({"type": "image", "image": PNG}, IMAGE_PNG),  # the bytes say what it is
        ({"type": "image", "image": PNG, "mediaType": "image/png"}, IMAGE_PNG),
        ({"type": "image_url", "image_url": {"url": PNG}}, IMAGE_PNG),
        ({"type": "image", "image": base64.b64decode(PNG)}, IMAGE_PNG),
        ({"type": "image", "base64": PNG}, IMAGE_PNG),
        ({"type": "image", "base64": PNG, "mime_type": "application/octet-stream"}, IMAGE_PNG),
        ({"type": "image_url", "image_url": {"url": f"data:;base64,{PNG}"}}, IMAGE_PNG),
        ({"type": "image", "base64": "AAAA", "mime_type": "png"}, IMAGE_DATA),
        ({"type": "image", "url": f" {URL}\n"}, IMAGE),
        ({"type": "computer_screenshot", "image_url": DATA}, IMAGE_DATA),  # OpenAI's computer use
        (
            {"type": "media", "mime_type": "video/mp4", "data": "AAAA", "video_metadata": {"fps": 2}},
            {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}, "fps": 2},
        ),
        (
            {"type": "video_url", "video_url": {"url": URL, "fps": 2}},
            {"type": "video_url", "video_url": {"url": URL}, "fps": 2},
        ),
        # The data is where it is: an object or a word beside it may say something else.
        ({"type": "image", "source": "camera", "data": "AAAA", "mimeType": "image/png"}, IMAGE_DATA),
        ({"type": "image", "source": "camera", "url": URL}, IMAGE),
        ({"type": "image", "source": URL}, IMAGE),
        ({"type": "image", "source": {"name": "camera"}, "url": URL}, IMAGE),
        *(({"type": "image", key: URL}, IMAGE) for key in ("resource", "inline_data", "document")),
        *(({"type": "image", key: base64.b64decode(PNG)}, IMAGE_PNG) for key in ("source", "inline_data")),
        *(({"type": "file", key: {"data": ""}}, {"type": "text", "text": ""}) for key in ("file_data", "fileData")),
        ({"type": "image", "path": "/srv/cat.png", "url": URL}, IMAGE),
        ({"type": "image", "path": None, "base64": "AAAA", "mime_type": "image/png"}, IMAGE_DATA),
        ({"type": "file", "path": "a.txt", "text": "Hi"}, {"type": "text", "text": "Hi"}),
        ({"type": "image", "base64": "AAAA", "extras": {"mime_type": "image/png"}}, IMAGE_DATA),
        ({"type": "image", "base64": "AAAA", "mime_type": ".png"}, IMAGE_DATA),
        ({"type": "file", "base64": "", "data": "AAAA", "mime_type": "image/png"}, IMAGE_DATA),
        ({"type": "image_url", "image_url": {"base64": "AAAA", "mime_type": "image/png"}}, IMAGE_DATA),
        *(
            (
                {"type": kind, "image_url": {"detail": "low"}, "url": URL},
                {**IMAGE, "image_url": {"url": URL, "detail": "low"}},
            )
            for kind in ("image", "image_url")
        ),
        *(
            (
                {"type": "input_video", "input_video": {"data": "AAAA", **inner}, **beside},
                {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
            )
            for inner, beside in (({"format": "mp4"}, {}), ({}, {"format": "mp4"}), ({}, {"mime_type": "video/mp4"}))
        ),
        # Documents that are text: Anthropic's and Bedrock's.
        (
            {
                "type": "document",
                "title": "T",
                "source": {"type": "content", "content": [{"type": "text", "text": "Hi"}]},
            },
            {"type": "text", "text": "T:\nHi"},
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hi"}},
            {"type": "text", "text": "Hi"},
        ),
        *(
            (
                {"document": {"format": format_, "name": "T", "source": source}},
                {"type": "text", "text": "T:\nHi you"},
            )
            for format_ in ("txt", "md", "csv", "html")
            for source in ({"bytes": b"Hi you"}, {"content": [{"text": "Hi you"}]}, {"text": "Hi you"})
        ),
        ({"document": {"format": "txt", "source": {"bytes": b"word"}}}, {"type": "text", "text": "word"}),
    ],
)
def test_writes_openais_part_when_it_came_in_any_form(part: dict[str, Any], wire: dict[str, Any]):
    """Protects code written for LangChain v1, v0 and JavaScript, OpenAI, Anthropic, Bedrock, Gemini, MCP and Qwen."""
    before = repr(part)
    assert write_media(part, VLLM) == wire
    assert repr(part) == before


JPEG = base64.b64encode(b"\xff\xd8\xff\xe0\0\x10JFIF").decode()
MP4 = base64.b64encode(b"\0\0\0 ftypisom").decode()


def build_url(kind: str, mime: str, data: str) -> dict[str, Any]:
    """OpenAI's part with data."""
    return {"type": f"{kind}_url", f"{kind}_url": {"url": f"data:{mime};base64,{data}"}}


@pytest.mark.parametrize(
    ("part", "wire"),
    [
        *(
            (part, build_url("image", "image/jpeg", JPEG))
            for vague in ("image", "Image", "image/image", "image/*", "*/*", "image/", "image;charset=utf-8", "")
            for part in (
                {"type": "image", "image": f"data:{vague};base64,{JPEG}"},  # the README of Qwen2.5-VL
                {"type": "image_url", "image_url": {"url": f"data:{vague};base64,{JPEG}"}},
                {"type": "image", "base64": JPEG, "mime_type": vague},
            )
        ),
        # What browsers, forms and storages add to a type.
        *(
            (part, build_url("image", "image/png", "AAAA"))
            for mime in ("image/png;name=a.png", "image/png; charset=binary", "IMAGE/PNG", "image/png;a=1;b=2")
            for part in (
                {"type": "image", "image": f"data:{mime};base64,AAAA"},
                {"type": "image_url", "image_url": f"DATA:{mime};BASE64,AAAA"},
                {"type": "image", "base64": "AAAA", "mime_type": mime},
                {"type": "file", "base64": "AAAA", "mime_type": mime},
                {"type": "file", "file": {"file_data": f"data:{mime};base64,AAAA"}},
            )
        ),
        (
            {"type": "audio", "url": "data:audio/webm;codecs=opus;base64,AAAA"},
            {"type": "audio_url", "audio_url": {"url": "data:audio/webm;base64,AAAA"}},
        ),
        *(
            ({"type": "video", "video": f"data:{mime};base64,AAAA"}, build_url("video", "video/webm", "AAAA"))
            for mime in (
                *("video/webm;codecs=vp9,opus", 'video/webm;codecs="vp9, opus"', "Video/webm;codecs=vp9,opus;name=a"),
                *("video/webm;name=a,b%20c.webm", "video/webm;name=会议,1.webm"),
            )
        ),
        *(  # a picture as text, which has such a mark inside
            ({"type": "image", "image": f"data:{mime},{svg}"}, {"type": "text", "text": svg})
            for mime in ("image/svg+xml", "image/svg+xml;charset=utf-8")
            for svg in ("<svg><image href='data:image/png;base64,AAAA'/></svg>", "<svg a='b;base64,AAAA'/>")
        ),
        ({"type": "video", "video": f"data:video;base64,{MP4}"}, build_url("video", "video/mp4", MP4)),
        ({"type": "video", "base64": MP4, "mime_type": "video/*"}, build_url("video", "video/mp4", MP4)),
        (
            {"type": "video", "video": [f"data:image;base64,{JPEG}"] * 2},
            build_url("video", "video/jpeg", f"{JPEG},{JPEG}"),
        ),
        ({"type": "file", "file": {"file_data": f"data:image;base64,{JPEG}"}}, build_url("image", "image/jpeg", JPEG)),
        # The type stands beside the data URI.
        (
            {"type": "image", "url": "data:;base64,AAAA", "mime_type": "image/bmp"},
            build_url("image", "image/bmp", "AAAA"),
        ),
        ({"type": "image", "image": "data:;base64,AAAA", "mediaType": "bmp"}, build_url("image", "image/bmp", "AAAA")),
        (
            {"type": "image", "data": "data:;base64,AAAA", "mimeType": "image/bmp"},
            build_url("image", "image/bmp", "AAAA"),
        ),
        (
            {"type": "audio", "base64": "data:;base64,AAAA", "mime_type": "audio/amr"},
            build_url("audio", "audio/amr", "AAAA"),
        ),
        # As they were: a type with a format is believed, and a vague one is better than none.
        ({"type": "image", "image": f"data:image/jpg;base64,{PNG}"}, build_url("image", "image/jpg", PNG)),
        ({"type": "image", "url": "data:image/png;base64,AAAA", "mime_type": "image/bmp"}, IMAGE_DATA),
        ({"type": "image", "image": "data:image;base64,AAAA"}, build_url("image", "image/image", "AAAA")),
        ({"type": "image", "base64": "AAAA", "mime_type": "image/*"}, build_url("image", "image/*", "AAAA")),
    ],
)
def test_finds_the_format_when_the_type_names_only_the_kind(part: dict[str, Any], wire: dict[str, Any]):
    """Protects Qwen's own data URIs on Ollama, which takes only formats that it knows."""
    assert write_media(part, VLLM) == wire


AUDIO_URL = "https://example.com/a.mp3?x=1"
WAV = base64.b64encode(b"RIFF....WAVE").decode()
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
        (SILICONFLOW, AUDIO, {"type": "audio_url", "audio_url": {"url": "data:audio/mpeg;base64,AAAA"}}),
        (SILICONFLOW, {"type": "audio", "url": AUDIO_URL}, {"type": "audio_url", "audio_url": {"url": AUDIO_URL}}),
        (DASHSCOPE, AUDIO, build_input("data:audio/mpeg;base64,AAAA", "mp3")),
        (DASHSCOPE, {"type": "audio", "url": AUDIO_URL}, build_input(AUDIO_URL, "mp3")),
        (DASHSCOPE, OPENAI_AUDIO, build_input("data:audio/wav;base64,AAAA", "wav")),
        (DASHSCOPE, build_input(AUDIO_URL, "mp3"), build_input(AUDIO_URL, "mp3")),
        *(
            (DASHSCOPE, build_input(f"{prefix}AAAA", name), build_input(f"data:audio/{name};base64,AAAA", name))
            for name in ("mp3", "amr", "aac")
            for prefix in ("", "data:;base64,", f"data:audio/{name};base64,")  # the second is DashScope's own example
        ),
        (LLAMA_CPP, build_input("data:;base64,AAAA", "mp3"), build_input("AAAA", "mp3")),
        (VLLM, build_input("data:;base64,AAAA", "mp3"), build_url("audio", "audio/mp3", "AAAA")),
        (VLLM, build_input("data:audio/wav;base64,AAAA", "mp3"), build_url("audio", "audio/wav", "AAAA")),
        (DASHSCOPE, build_input(f"data:;base64,{WAV}", ""), build_input(f"data:audio/wav;base64,{WAV}", "wav")),
        (DASHSCOPE, build_input("data:audio;base64,AAAA", "amr"), build_input("data:audio/amr;base64,AAAA", "amr")),
        (DASHSCOPE, build_input(f"data:audio;base64,{WAV}", "wav"), build_input(f"data:audio/wav;base64,{WAV}", "wav")),
        (LLAMA_CPP, {"type": "input_audio", "input_audio": {"data": WAV}}, build_input(WAV, "wav")),
        (LLAMA_CPP, {"type": "audio", "audio": WAV}, build_input(WAV, "wav")),
        (LLAMA_CPP, {"type": "input_audio", "input_audio": {"data": "AAAA"}, "format": "wav"}, OPENAI_AUDIO),
        *((LLAMA_CPP, build_input("AAAA", name), OPENAI_AUDIO) for name in ("WAV", ".wav", "audio/wav", "audio/x-wav")),
        (DASHSCOPE, {"type": "audio", "url": "https://e.com/A.MP3"}, build_input("https://e.com/A.MP3", "mp3")),
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
    for more in ({}, {"mime_type": "application/octet-stream"}):  # the bytes say what it is
        unnamed = {"type": "file", "base64": "JVBERi0xLjQg/w==", "filename": "a", **more}
        file = {"filename": "a", "file_data": "data:application/pdf;base64,JVBERi0xLjQg/w=="}
        assert write_media(unnamed, OPENROUTER) == {"type": "file", "file": file}
    for part in (
        {"type": "file", "file_id": "x"},
        {"type": "file", "file": {"file_id": "x"}},
        {"type": "file", "source_type": "id", "id": "x"},
    ):
        assert write_media(part, OPENROUTER) == {"type": "file", "file": {"file_id": "x"}}


@pytest.mark.parametrize(
    ("dialect", "part", "text"),
    [
        (VLLM, {"type": "image", "path": "/etc/passwd"}, "read_media"),
        (VLLM, {"type": "image"}, "neither url nor base64"),
        (VLLM, {"type": "image", "base64": "AAAA"}, "no mime_type"),
        (VLLM, {"text": "x"}, "has no type"),
        (VLLM, {"type": "file", "base64": "AAAA", "mime_type": "application/pdf"}, "does not accept files"),
        (VLLM, {"type": "file", "file": {"file_id": "x"}}, "does not support file ids"),
        (VLLM, {"type": "input_file", "file_id": "x"}, "does not support file ids"),
        (VLLM, {"type": "file", "url": "https://example.com/a.txt"}, r"files or their URLs .*read_media\(path\)"),
        (OLLAMA, {"type": "image", "url": URL}, "only as base64 data"),
        (OLLAMA, {"type": "image_url", "image_url": {"url": URL}}, "only as base64 data"),
        (OLLAMA, {"type": "video", "url": URL}, "Ollama does not accept video parts"),
        (LLAMA_CPP, {"type": "audio", "url": AUDIO_URL}, "accepts audio only as base64 data"),
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
    with pytest.raises(MediaError, match=r"Qwen3.* accept only"):
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
    messages = [HumanMessage(parts), ToolMessage(parts, tool_call_id="1")]
    wire = write_messages(messages, VLLM, replay="all", line=find_line("Qwen/Qwen3-VL-8B-Instruct"))
    first = {"type": "text", "text": "Look: "}
    assert wire[0]["content"] == [first, IMAGE, {"type": "text", "text": "What is it?"}]
    assert wire[1]["content"] == [first, IMAGE, {"type": "text", "text": "What \nis it?"}]


class Array:
    """Has no truth, as an array of numpy (ValueError) and a tensor of torch (RuntimeError)."""

    def __init__(self, error: type[Exception]) -> None:
        self.error = error

    def __bool__(self) -> bool:
        raise self.error("the truth value of an array is ambiguous")

    __len__ = __eq__ = None  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("error", [ValueError, RuntimeError])
@pytest.mark.parametrize(
    "write",
    [
        lambda array: {"type": "image", "image": array},
        lambda array: {"type": "image", "url": array},
        lambda array: {"type": "image", "base64": array, "mime_type": "image/png"},
        lambda array: {"type": "image", "source_type": "base64", "data": array, "mime_type": "image/png"},
        lambda array: {"type": "image", "source": {"type": "base64", "data": array, "media_type": "image/png"}},
        lambda array: {"type": "image_url", "image_url": array},
        lambda array: {"type": "image_url", "image_url": {"url": array}},
        lambda array: {"type": "video", "video": array},
        lambda array: {"type": "video", "video": [array, array]},
        lambda array: {"type": "audio", "audio": array},
        lambda array: {"type": "input_audio", "input_audio": {"data": array, "format": "wav"}},
        lambda array: {"type": "file", "data": array, "mime_type": "text/plain"},
        lambda array: {"type": "image", "image": array, "score": 1},
    ],
)
def test_says_what_an_array_is_when_a_part_holds_one(write: Any, error: type[Exception]):
    """Protects programs that pass an image as transformers takes it: a MediaError, not numpy's own error."""
    part = write(Array(error))
    with pytest.raises(MediaError, match="Array"):
        write_media(part, VLLM)
    tool = ToolMessage("", tool_call_id="1")
    tool.content = [part]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnsupportedSettingWarning)
        (wire,) = write_messages([tool], VLLM, replay="all", line=None)[-1:]
    assert isinstance(wire["content"], str)


@pytest.mark.parametrize(
    ("mime", "name"),
    [
        ("audio/wav", "wav"),
        ("audio/x-wav", "wav"),
        ("audio/vnd.wave", "wav"),
        ("audio/mpeg", "mp3"),
        ("audio/x-m4a", "m4a"),
        ("audio/mp4", "m4a"),
        ("audio/x-flac", "flac"),
        ("audio/flac", "flac"),
        ("audio/x-aiff", "aiff"),
        ("audio/ogg", "ogg"),
    ],
)
def test_names_the_format_of_audio_when_a_type_has_another_name(mime: str, name: str):
    """Protects audio of browsers and of `mimetypes`: a server knows `m4a` and `flac`, not `x-m4a` and `x-flac`."""
    for part in (
        {"type": "audio", "base64": "YWJj", "mime_type": mime},
        {"type": "audio", "url": f"data:{mime};base64,YWJj"},
    ):
        assert write_media(part, OPENROUTER)["input_audio"]["format"] == name


def test_reads_a_file_when_it_is_told_to(tmp_path: Path):
    """Protects the one way from the disk into a message: explicit, and with the right type."""
    for name, kind in (("a.png", "image"), ("a.mp4", "video"), ("a.wav", "audio"), ("a.pdf", "file")):
        (tmp_path / name).write_bytes(b"data")
        block = read_media(tmp_path / name)
        assert (block["type"], base64.b64decode(block["base64"])) == (kind, b"data")
    assert block["filename"] == "a.pdf"
    assert write_media(read_media(tmp_path / "a.png"), OLLAMA)["image_url"]["url"].startswith("data:image/png;base64,")
    (tmp_path / "a").write_bytes(b"data")
    with pytest.raises(MediaError, match="file extension"):
        read_media(tmp_path / "a")


@pytest.mark.parametrize("kind", ["image_url", "video_url", "audio_url", "input_audio"])
def test_sends_the_id_of_media_that_vllm_keeps(kind: str):
    """Protects the cache of vLLM: media go out once with their id, then the id alone."""
    inner = {"data": "AAAA", "format": "wav"} if kind == "input_audio" else {"url": URL}
    for own in (inner, inner.get("url")):
        if own:
            sent = write_media({"type": kind, kind: own, "uuid": "x"}, VLLM)
            assert sent["uuid"] == "x"
            assert sent[sent["type"]]["url"]
    again = {"type": kind, kind: None, "uuid": "x"}
    assert write_media(again, VLLM) == again
    with pytest.raises(MediaError, match="neither url nor base64"):
        write_media({"type": kind, kind: None}, VLLM)
    with pytest.warns(UnsupportedSettingWarning, match="fps"):
        assert lift_media_settings([{"content": [{**again, "fps": 1}]}], SILICONFLOW) == {}
    for own in ({"type": "image", "uuid": "x"}, {"type": "video", "video": None, "uuid": "x"}):  # a program's own id
        with pytest.raises(MediaError, match="neither url nor base64"):
            write_media(own, VLLM)
    assert "uuid" not in write_media({"type": "video", "video": URL, "uuid": "x"}, VLLM)


@pytest.mark.parametrize(
    "part",
    [
        {"image_url": URL},
        {"image_url": {"url": URL}},
        {"image_url": URL, "video_url": None},
        {"image_url": {"url": URL, "detail": None}, "text": None},
    ],
)
def test_reads_openais_part_when_it_has_no_type(part: dict[str, Any]):
    """Protects vLLM's short form, which ChatOpenAI sends; a tool's list of addresses is its own JSON."""
    (wire,) = write_messages([HumanMessage(["Look", part])], VLLM, replay="all")
    assert wire["content"][1]["image_url"]["url"] == URL
    assert wire["content"][1]["type"] == "image_url"
    (wire,) = write_messages([ToolMessage([part], tool_call_id="1")], VLLM, replay="all")
    assert json.loads(wire["content"]) == part


@pytest.mark.parametrize(
    "media", [{"image_url": URL}, {"image_url": {"url": URL}}, {"image": URL}, {"image": {"url": URL}}]
)
def test_sends_both_when_a_part_without_a_type_has_text_and_media(media: dict[str, Any]):
    """Protects a user's picture, which was lost without a word when its question stood beside it."""
    (wire,) = write_messages([HumanMessage([{"text": "Look", **media}])], VLLM, replay="all")
    assert wire["content"] == [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": {"url": URL}}]
    (wire,) = write_messages([HumanMessage([{"text": "Look", "image": None, "source": "kb"}])], VLLM, replay="all")
    assert wire["content"] == "Look"
    (wire,) = write_messages([ToolMessage([{"text": "Look", **media}], tool_call_id="1")], VLLM, replay="all")
    assert json.loads(wire["content"]) == {"text": "Look", **media}


BAD_PARTS: list[tuple[dict[str, Any], str]] = [
    ({"type": "file", "url": "resource://docs/1", "mime_type": "text/html"}, "resource://, which no server reads"),
    ({"type": "file", "base64": "!!!x", "mime_type": "text/plain"}, "not valid base64"),
    ({"type": "file", "base64": "AAA", "mime_type": "text/plain"}, "not valid base64"),
    ({"type": "image", "base64": "ß", "mime_type": "image/png"}, "not valid base64"),
    ({"type": "image", "base64": 7, "mime_type": "image/png"}, "data is an int"),
    ({"type": "image", "image": object()}, "holds an object"),
    ({"type": "image", "image": [URL]}, "holds a list"),
    ({"type": "image", "image": "/srv/cat.png"}, "read_media"),
    ({"type": "image", "url": "C:\\cat.png"}, "read_media"),
    ({"type": "image", "url": "file:///srv/cat.png"}, "read_media"),
    ({"type": "image_url", "image_url": {"url": "./cat.png"}}, "read_media"),
    ({"type": "image_url", "image_url": "cat.png"}, "read_media"),
    ({"type": "file", "file": {"path": "/srv/cat.png", "url": None, "mime_type": "image/png"}}, "read_media"),
    ({"type": "image_url", "image_url": {"path": "cat.png"}}, "read_media"),
    ({"type": "video", "video": {"path": "cat.mp4", "url": ""}}, "read_media"),
    ({"type": "input_audio", "input_audio": {"path": "cat.wav", "format": "wav"}}, "read_media"),
    ({"type": "file", "file": {"path": None}}, "neither url nor base64"),
    ({"type": "image_url", "image_url": {"url": None}}, "neither url nor base64"),
    ({"type": "image_url", "image_url": {"url": 7}}, "URL is an int"),
    ({"type": "image_url", "image_url": None}, "neither url nor base64"),
    ({"type": "video", "video": [URL]}, "frames as base64"),
    ({"type": "video", "video": []}, "neither url nor base64 data"),
    ({"type": "video", "video": [b"no picture"]}, "no mime_type"),
    ({"type": "video", "video": [7]}, "frame of the video part is an int"),
    ({"type": "input_audio", "input_audio": {"format": "wav"}}, "neither url nor base64 data"),
    ({"type": "text", "text": None}, "no text"),
    ({"type": "text"}, "no text"),
    ({"type": "text", "text": 7}, "an int for its text"),
    ({"a": 1}, "has no type"),
    ({}, "has no type"),
    ({"json": {"a": 1}}, "has no type"),
    *(({"type": kind, "url": URL}, "the unknown type") for kind in ("imageurl", "IMAGE", "", None, 7, ["image"])),
    ({"type": "non_standard"}, "the unknown type"),
    ({"type": "non_standard", "value": "x"}, "the unknown type"),
    ({"type": "image", "base64": "", "mime_type": "image/png"}, "neither url nor base64"),
    ({"type": "image", "url": "data:image/png;base64,"}, "is empty"),
    ({"type": "image", "url": "data:image/png"}, "data URI has no data"),
    ({"type": "image", "base64": "AAA", "mime_type": "image/png"}, "not valid base64"),
    ({"type": "image", "base64": "AA==AAAA", "mime_type": "image/png"}, "not valid base64"),
    ({"type": "image", "base64": "AA-_", "mime_type": "image/png"}, "not valid base64"),
    ({"type": "image", "base64": "AAAA", "mime_type": "text/plain"}, "mime_type 'text/plain'"),
    ({"type": "image", "base64": "JVBERi0xLjQK", "mime_type": ""}, "no mime_type"),
    ({"type": "image", "url": "ftp://example.com/a.png"}, "ftp://, which no server reads"),
    ({"type": "image", "url": "blob:https://example.com/1"}, "an incomplete URL"),
    ({"type": "image", "url": "www.example.com/a.png"}, "an incomplete URL"),
    ({"type": "image", "data": {"0": 137}, "mimeType": "image/png"}, "data is a dict"),
    ({"type": "input_audio", "input_audio": {"data": "AAAA"}}, "no mime_type"),
    ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": 7}}, "no mime_type"),
    ({"type": "video", "frames": [None]}, "frame of the video part is a NoneType"),
    *(
        ({"type": "video", "url": "https://x/a.mp4", name: value}, f"the video part's {name} is {value!r}")
        for name, value in (("fps", "2"), ("fps", float("nan")), ("max_pixels", -1), ("fps", True), ("nframes", [8]))
    ),
    ({"type": "file"}, "neither url nor base64"),
    ({"type": "file", "base64": "AAECAw=="}, "does not say what it is"),
    ({"type": "file", "base64": "AAECAw==", "mime_type": "application/octet-stream"}, "does not say what it is"),
    *(({"type": "file", "base64": data}, "files (application/pdf)") for data in ("JVBERi0xLjQg/w==", "JVBERi0xLjQK")),
    ({"type": "file", "source_type": "text", "text": 5}, "neither url nor base64"),
    ({"type": "document", "document": {"source": "x"}}, "neither url nor base64"),
]


@pytest.mark.parametrize(("part", "text"), BAD_PARTS)
def test_names_the_position_and_the_fix_when_a_users_part_is_bad(part: dict[str, Any], text: str):
    """Protects from another library's error, and from a path, bytes or None in the prompt."""
    messages = [HumanMessage("q"), HumanMessage(["look", part])]
    with pytest.raises(MediaError, match=rf"^messages\[1\]\.content\[1\]: .*{re.escape(text)}"):
        write_messages(messages, VLLM, replay="all")


@pytest.mark.parametrize("part", [part for part, _ in BAD_PARTS])
@pytest.mark.filterwarnings("ignore:a part of a tool's result")
def test_says_what_a_tools_part_was_when_it_is_bad(part: dict[str, Any]):
    """Protects the thread: nobody can change what a tool answered. What holds no media is the tool's own JSON."""
    (wire,) = write_messages([ToolMessage(["look", part], tool_call_id="1")], VLLM, replay="all")
    about, text = wire["content"].partition("\n")[::2]
    assert about == "look"
    if find_kind(part) and holds_data(part):
        assert re.fullmatch(r"\[.+: omitted, this model cannot take it\]", text)
    else:
        assert json.loads(text) == part.get("json", part)


LONG = "A" * 600


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ({"type": "text", "text": "Hi", "score": 0.92}, "Hi"),
        ({"text": "Hi"}, "Hi"),
        ({"type": "text-plain", "text": "Hi", "mime_type": "text/plain", "title": "T", "index": 0}, "T:\nHi"),
        ({"type": "file", "source_type": "text", "text": "Hi", "mime_type": "text/plain"}, "Hi"),
        ({"type": "document", "title": "T", "source": {"type": "text", "data": "Hi"}, "citations": {}}, "T:\nHi"),
        ({"document": {"format": "txt", "name": "T", "source": {"text": "Hi"}}}, "T:\nHi"),
        (
            {"type": "resource", "resource": {"uri": "a://b", "text": "Hi", "_meta": {"a": 1}}, "annotations": None},
            "Hi",
        ),
        ({"type": "file", "data": "SGk=", "mimeType": "text/plain", "meta": None}, "Hi"),
        ({"type": "file", "data": "SGk=", "mimeType": "text/plain", "size": 2}, "Hi"),
        ({"type": "file", "base64": "SGk=", "filename": "a.txt", "size": 2}, "a.txt:\nHi"),
        ({"type": "file", "base64": PNG, "mime_type": "image/png", "size": 2}, [IMAGE_PNG]),
        ({"type": "resource_link", "uri": URL, "mimeType": "image/png", "name": "a", "size": 8}, [IMAGE]),
        ({"type": "image", "url": URL, "width": 640}, [IMAGE]),
    ],
)
def test_sends_a_tools_media_when_it_has_data_or_the_keys_of_a_form(part: dict[str, Any], content: Any):
    """Protects what tools write on purpose, and what MCP's adapters hand over: text is text, a picture a picture."""
    (wire,) = write_messages([ToolMessage([part], tool_call_id="1")], VLLM, replay="all", line=find_line(OMNI))
    assert wire["content"] == content


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        ({"type": "image", "base64": LONG, "mime_type": "image/png"}, "image_url"),
        ({"type": "file", "base64": LONG, "mime_type": "image/png"}, "image_url"),
        ({"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}, "image_url"),
        ({"type": "image", "source": {"type": "base64", "data": LONG, "media_type": "image/png"}}, "image_url"),
        ({"type": "video", "video": [{"base64": LONG, "mime_type": "image/jpeg"}]}, "video_url"),
        ({"type": "audio", "data": LONG, "mimeType": "audio/wav"}, "audio_url"),
        ({"type": "file", "url": f"data:application/pdf;base64,{LONG}"}, None),
        ({"type": "image_url", "image_url": {"url": f"\nDATA:image/png;base64,{LONG}"}}, "image_url"),
        ({"type": "document", "data": LONG}, None),
        ({"image": f"data:image/png;base64,{PNG}"}, "image_url"),
        ({"image": base64.b64encode(b"\x89PNG\r\n" + bytes(600)).decode()}, "image_url"),
        ({"image": b"\x89PNG\r\n"}, "image_url"),
        ({"image_url": f"data:image/png;base64,{PNG}"}, "image_url"),
        ({"url": f"data:image/png;base64,{PNG}", "width": 640}, "image_url"),
        ({"type": "file_url", "file_url": {"url": f"data:application/pdf;base64,{LONG}"}}, None),
        ({"image_url": {"url": f"data:image/png;base64,{PNG}"}}, "image_url"),
        ({"input_audio": {"data": LONG, "format": "wav"}}, "audio_url"),
        ({"video": [f"data:image/jpeg;base64,{JPEG}"]}, "video_url"),
        ({"type": "image", "extras": {"base64": LONG}}, None),
        ({"type": "file", "metadata": {"data": f"data:image/png;base64,{LONG}"}}, None),
        ({"inline_data": LONG, "source": "camera"}, None),
    ],
)
@pytest.mark.filterwarnings("ignore:a part of a tool's result")
def test_never_sends_data_as_json_when_a_tool_adds_keys(part: dict[str, Any], sent: str | None):
    """Protects pictures that a tool took, and the context: base64 of a picture is a million tokens."""
    result = [ToolMessage([{**part, "caption": "A cat."}], tool_call_id="1")]
    (wire,) = write_messages(result, VLLM, replay="all", line=find_line("Qwen/Qwen3-8B"))
    assert re.fullmatch(r"\[.+: omitted, this model cannot take it\]", wire["content"])
    (wire,) = write_messages(result, VLLM, replay="all", line=find_line(OMNI))
    assert [part["type"] for part in wire["content"]] == [sent] if sent else "omitted" in wire["content"]


def test_a_long_word_is_no_name_when_a_part_is_described():
    """Protects the context from data in the place of a URL: a picture's base64 is a million tokens."""
    part = {"type": "image", "image": "A" * 10_000, "name": "cat"}
    with pytest.warns(UnsupportedSettingWarning):
        (wire,) = write_messages([ToolMessage([part], tool_call_id="1")], VLLM, replay="all")
    assert wire["content"] == "[image cat: omitted, this model cannot take it]"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image", "image": PNG},
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "image_url", "image_url": PNG},
        {"type": "image", "url": PNG},
        {"type": "audio", "audio": base64.b64encode(b"ID3").decode()},
        *({"type": "image", "image": base64.b64encode(data).decode()} for data in (b"BM", b"\0\0\1\0", b"<svg/>")),
        {"image": PNG},
        {"type": "audio", "audio": "DATA:,RIFF"},
        {"type": "audio", "audio": "\ndata:,RIFF"},
        {"type": "video", "frames": [JPEG]},
    ],
)
@pytest.mark.filterwarnings("ignore:a part of a tool's result")
def test_leaves_small_data_out_of_the_line_when_it_stands_in_place_of_a_url(part: dict[str, Any]):
    """Protects the prompt from the base64 of an icon, which is too short to be told from a URL by its length."""
    (wire,) = write_messages([ToolMessage([part], tool_call_id="1")], VLLM, replay="all", line=find_line("Qwen3-8B"))
    assert wire["content"] == f"[{find_kind(part)}: omitted, this model cannot take it]"


@pytest.mark.parametrize("part", [{"type": "image", "url": URL}, {"type": "file", "url": DATA}, {"image": URL}])
def test_refuses_media_in_a_system_message_when_the_template_drops_it(part: dict[str, Any]):
    """Protects from a picture that Qwen3-VL's template drops in silence, and from a 400 of 3.5 and newer."""
    for model in ("Qwen/Qwen3-VL-8B-Instruct", "Qwen/Qwen3.5-9B"):
        with pytest.raises(MediaError, match=r"messages\[0\]\.content\[0\]: .*HumanMessage"):
            write_messages([SystemMessage([part])], VLLM, replay="all", line=resolve_line(model))
    for line in (None, resolve_line("qwen3-vl-eyes"), find_line(OMNI)):  # nobody knows: the server decides
        assert write_messages([SystemMessage([part])], VLLM, replay="all", line=line)[0]["content"][0] in (
            IMAGE,
            IMAGE_DATA,
        )


DATA_VALUES = [b"AAAA", b"\x89\0", "", "AAAA", "!", URL, DATA, "/a", "a://b"]
VALUES = st.sampled_from([None, 7, *DATA_VALUES, [], ["x"], {}, {"a": 1}])
KEYS = st.sampled_from(
    [
        *("type", "text", "url", "uri", "base64", "data", "bytes", "mime_type", "mimeType", "format", "source"),
        *("image", "image_url", "video", "video_url", "audio", "file", "input_audio", "resource", "document"),
        *("inline_data", "file_data", "title", "name", "filename", "extras", "fps", "detail", "content", "input"),
    ]
)
TYPES = st.sampled_from(
    [
        *(
            "text",
            "image",
            "video",
            "audio",
            "file",
            "text-plain",
            "image_url",
            "video_url",
            "input_audio",
            "audio_url",
        ),
        *("input_image", "document", "media", "resource", "resource_link", "reasoning", "tool_use"),
        *("tool_result", "refusal", "non_standard", "weird"),
    ]
)
INNER = st.dictionaries(KEYS, VALUES, max_size=4)
PARTS = st.builds(lambda kind, part: {"type": kind, **part}, TYPES, st.dictionaries(KEYS, VALUES | INNER, max_size=4))


@given(PARTS | st.dictionaries(KEYS, VALUES | INNER, min_size=1, max_size=4), st.sampled_from(list(DIALECTS.values())))
@pytest.mark.filterwarnings("ignore")
def test_raises_nothing_but_a_media_error_when_a_part_is_anything(part: dict[str, Any], dialect: Dialect):
    """Protects from raw errors of every kind: a part is written, or refused as a part; in a tool's message written."""
    before = repr(part)
    with suppress(MediaError):
        write_messages([HumanMessage([part])], dialect, replay="all")
    write_messages([ToolMessage([part], tool_call_id="1"), AIMessage("")], dialect, replay="all")
    assert repr(part) == before


# -- parts × servers × roles ------------------------------------------------------------------------------------------

MEDIA: dict[str, dict[str, Any]] = {
    "image by URL": {"type": "image", "url": URL},
    "image by data": {"type": "image", "base64": "AAAA", "mime_type": "image/png"},
    "video by URL": {"type": "video", "url": "https://example.com/a.mp4"},
    "video by data": {"type": "video", "base64": "AAAA", "mime_type": "video/mp4"},
    "video by frames' URLs": {"type": "video", "video": [URL, URL]},
    "video by frames' data": {"type": "video", "video": [DATA_JPEG, DATA_JPEG]},
    "audio by URL": {"type": "audio", "url": AUDIO_URL},
    "audio by data": AUDIO,
    "text file": {"type": "file", "base64": "SGk=", "mime_type": "text/plain"},
    "JSON": {"type": "file", "base64": "eyJhIjoxfQ==", "mime_type": "application/json"},
    "PDF": {"type": "file", "base64": "AAAA", "mime_type": "application/pdf", "filename": "a.pdf"},
    "resource link": {"type": "file", "url": "resource://docs/1", "mime_type": "text/html"},
}


def takes(dialect: Dialect, line: ModelLine, name: str) -> bool:
    """What docs/multimodal.md says of a part: whether it can reach the model."""
    kind, _, how = name.partition(" ")
    if kind in ("text", "JSON"):
        return True
    if kind in ("PDF", "resource"):
        return kind == "PDF" and dialect.files
    if kind not in dialect.media_kinds or kind not in line.inputs:
        return False
    if "frames" in how:
        return dialect.video_frames == "list" or (dialect.video_frames == "jpeg" and "data" in how)
    return "data" in how or not (dialect.base64_media_only or (kind == "audio" and dialect.audio == "base64"))


FORMS = ("audio", "base64_media_only", "files", "media_kinds", "video_frames")
"""Fields of a row that say which parts a server takes, and how."""
MODELS = ["Qwen/Qwen3-8B", "Qwen/Qwen3-VL-8B-Instruct", OMNI]


@pytest.mark.parametrize("dialect", list_unlike(attrgetter(*FORMS)), ids=lambda row: row.name)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", MEDIA)
def test_sends_a_part_or_says_why_not_for_every_server_and_role(dialect: Dialect, model: str, name: str):
    """Protects the table of parts and servers: a user's part goes out or is an error, a tool's never ends a thread."""
    line = find_line(model)
    assert line is not None
    user, result = HumanMessage([MEDIA[name]]), ToolMessage([MEDIA[name]], tool_call_id="1")
    if takes(dialect, line, name):
        sent = [message["content"] for message in write_messages([user, result], dialect, replay="all", line=line)]
        assert sent[0] == sent[1]
        return
    with pytest.raises(MediaError):
        write_messages([user], dialect, replay="all", line=line)
    for times in range(2):
        with pytest.warns(UnsupportedSettingWarning, match="tool's result") if not times else nullcontext():
            (wire,) = write_messages([result], dialect, replay="all", line=line)
        assert "omitted" in wire["content"]
        assert str(MEDIA[name].get("url", "")) in wire["content"]
        assert "AAAA" not in wire["content"]


@pytest.mark.filterwarnings("ignore::langchain_qwen3.UnsupportedSettingWarning")
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda row: row.name)
def test_nothing_else_of_a_row_matters_when_parts_are_written(dialect: Dialect):
    """Protects the tests of parts, for which servers alike in a few fields are one: no other field is read."""
    row, read = watch(dialect)
    for part, model in product(MEDIA.values(), MODELS):
        assert find_line(model, dialect.name) == find_line(model)
        for message in (HumanMessage([part]), ToolMessage([part], tool_call_id="1")):
            with suppress(MediaError):
                lift_media_settings(write_messages([message], row, replay="all", line=find_line(model)), row)
    assert read <= {*FORMS, "media_settings", "title"}


# -- settings of a part -----------------------------------------------------------------------------------------------

SETTINGS: dict[str, Any] = {"fps": 2, "min_pixels": 4, "max_pixels": 16}


@pytest.mark.parametrize("dialect", list_unlike(attrgetter("media_settings")), ids=lambda row: row.name)
@pytest.mark.parametrize("holder", [None, "extras", "metadata"])
def test_puts_a_parts_settings_where_the_server_reads_them_or_warns(dialect: Dialect, holder: str | None):
    """Protects fps and pixels from silence: they are read, or a warning says that they are not."""
    part = {"type": "image", **MEDIA["image by data"], **({holder: SETTINGS} if holder else SETTINGS)}
    wire = write_messages([HumanMessage([part])], dialect, replay="all")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fields = lift_media_settings(wire, dialect)
    beside = {key: value for key, value in wire[0]["content"][0].items() if key in SETTINGS}
    where = dialect.media_settings
    assert beside == (SETTINGS if where in ("part", "unknown") else {})
    assert fields == ({where: SETTINGS} if where == "mm_processor_kwargs" else {})
    assert len(caught) == (0 if where in ("part", "mm_processor_kwargs") else len(SETTINGS))


VIDEO_URL = "https://example.com/a.mp4"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "video", "url": VIDEO_URL, "fps": 1, "max_frames": 8},
        {"type": "video", "url": VIDEO_URL, "extras": {"fps": 1, "max_frames": 8}},
        {"type": "video", "video": VIDEO_URL, "fps": 1, "max_frames": 8},
        {"type": "video_url", "video_url": {"url": VIDEO_URL}, "fps": 1, "max_frames": 8},
        {"type": "video_url", "video_url": {"url": VIDEO_URL, "fps": 1, "max_frames": 8}},
    ],
    ids=str,
)
def test_puts_the_frames_of_a_video_beside_its_url_on_siliconflow(part: dict[str, Any]):
    """Protects the number of frames, which decides what a video costs: it was dropped as a setting without effect."""
    wire = write_messages([HumanMessage([{**part, "max_pixels": 16}])], SILICONFLOW, replay="all")
    with pytest.warns(UnsupportedSettingWarning, match="max_pixels") as caught:
        assert lift_media_settings(wire, SILICONFLOW) == {}
    assert len(caught) == 1
    settings = {"url": VIDEO_URL, "fps": 1, "max_frames": 8}
    assert wire[0]["content"] == [{"type": "video_url", "video_url": settings}]


def test_warns_when_parts_of_one_request_want_different_settings():
    """Protects from one picture's pixels that are taken for another's: vLLM reads them once."""
    parts: list[Any] = [{**MEDIA["image by data"], "max_pixels": size} for size in (16, 16, 32)]
    wire = write_messages([HumanMessage(parts)], VLLM, replay="all")
    with pytest.warns(UnsupportedSettingWarning, match="per request"):
        assert lift_media_settings(wire, VLLM) == {"mm_processor_kwargs": {"max_pixels": 16}}


SVG = "<svg xmlns='http://www.w3.org/2000/svg'/>"
SVG_DATA = base64.b64encode(SVG.encode()).decode()
DRAWINGS: dict[str, dict[str, Any]] = {
    "LangChain": {"type": "image", "base64": SVG_DATA, "mime_type": "image/svg+xml"},
    "OpenAI": {"type": "image_url", "image_url": {"url": f"data:image/svg+xml;base64,{SVG_DATA}"}},
    "Responses API": {"type": "input_image", "image_url": f"data:image/svg+xml;base64,{SVG_DATA}"},
    "not in base64": {"type": "image_url", "image_url": {"url": f"data:image/svg+xml;charset=utf-8,{SVG}"}},
    "Qwen": {"type": "image", "image": f"data:image/svg+xml;base64,{SVG_DATA}"},
    "MCP": {"type": "image", "data": SVG_DATA, "mimeType": "image/svg+xml"},
    "Anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/svg+xml", "data": SVG_DATA}},
    "Bedrock": {"image": {"format": "svg+xml", "source": {"bytes": SVG.encode()}}},
    "with its encoding": {"type": "image", "base64": SVG_DATA, "mime_type": "image/svg+xml; charset=utf-8"},
    "by its last word": {"type": "image", "base64": SVG_DATA, "mime_type": "svg+xml"},
    "in capitals": {"type": "image_url", "image_url": {"url": f"DATA:image/SVG+xml;base64,{SVG_DATA}"}},
    "in capitals, not in base64": {"type": "image", "url": f"DATA:image/SVG+xml,{SVG}"},
}


@pytest.mark.parametrize("form", DRAWINGS)
@pytest.mark.parametrize("model", ["Qwen/Qwen3-8B", "Qwen/Qwen3-VL-8B-Instruct"])
def test_sends_an_svg_as_text_when_it_is_called_an_image(form: str, model: str):
    """Protects drawings of chart and diagram tools: every model reads their text, and none reads them as images."""
    parts: list[Any] = ["Look:", DRAWINGS[form], "What is it?"]
    line = find_line(model)
    (wire,) = write_messages([HumanMessage(parts)], VLLM, replay="all", line=line)
    assert wire["content"] == f"Look:\n\n{SVG}\n\nWhat is it?"
    (wire,) = write_messages([ToolMessage(parts, tool_call_id="1")], VLLM, replay="all", line=line)
    assert wire["content"] == f"Look:\n\n{SVG}\n\nWhat is it?"


@pytest.mark.parametrize("more", [{}, {"mime_type": "image/svg+xml"}])
def test_sends_an_svg_by_its_url_as_an_image(more: dict[str, str]):
    """Protects URLs, which only the server reads: it may draw what is there."""
    part = {"type": "image", "url": "https://example.com/a.svg", **more}
    assert write_media(part, VLLM)["image_url"]["url"] == "https://example.com/a.svg"


OWN_KWARGS = {"max_pixels": 9, "fps": 2}


@pytest.mark.parametrize(
    "keywords",
    [
        {"mm_processor_kwargs": OWN_KWARGS},
        {"extra_body": {"mm_processor_kwargs": OWN_KWARGS}},
    ],
    ids=str,
)
def test_a_parts_settings_stay_when_the_call_has_others(keywords: dict[str, Any]):
    """Protects a picture's limit from a call's `mm_processor_kwargs`, which replaced it: the call wins key by key."""
    part = {"type": "image", **MEDIA["image by data"], "min_pixels": 4, "max_pixels": 16}
    model = ChatQwen3(model="Qwen/Qwen3-VL-8B-Instruct", server="vllm")
    payload = model._get_request_payload([HumanMessage([part])], **keywords)
    assert payload["mm_processor_kwargs"] == {"min_pixels": 4, **OWN_KWARGS}
    assert "mm_processor_kwargs" not in model._get_request_payload("hi")


@pytest.mark.parametrize("name", OTHER_SETTINGS)
def test_warns_of_a_setting_of_qwens_library_when_no_server_reads_it(name: str):
    """Protects frames and sizes from silence: written for qwen-vl-utils, they do nothing on a server."""
    part = {"type": "video", "video": "https://example.com/a.mp4", name: 4}
    wire = write_messages([HumanMessage([part])], VLLM, replay="all")
    with pytest.warns(UnsupportedSettingWarning, match=name):
        assert lift_media_settings(wire, VLLM) == {}
    assert name not in wire[0]["content"][0]
