"""What an error keeps of a call holds no secret, in whatever form a server repeats it."""

from __future__ import annotations

import asyncio
import base64
from types import FunctionType

import httpx
import pytest

from langchain_qwen3.errors import hints
from langchain_qwen3.errors.secrets import clean_url, mask_body, mask_text, read_secrets, strip_causes, strip_response

PASSWORD = "kanarien vogel/1"


@pytest.mark.parametrize(
    "text",
    [
        "We couldn't connect to 'https://hf-mirror.com' to load the files",
        "Model Qwen/Qwen3-X is not supported for task conversational and provider hf-inference.",
    ],
)
def test_the_names_of_hugging_face_stay_visible(text: str) -> None:
    """Protects the cause in an error: only `hf_` begins a token, and a mirror's name was masked as one."""
    assert mask_text(text) == text
    assert mask_text("token hf_AbCdEf123456 refused") == "token *** refused"


@pytest.mark.parametrize(
    "key",
    [
        *(
            prefix + "k0" * 16
            for prefix in ("nvapi-", "csk-", "xai-", "pplx-", "tvly-", "fw_", "r8_", "tgp_v1_", "AIza")
        ),
        f"eyJhbGciOiJIUzI1NiJ9.{'k0' * 16}.{'k_0-' * 8}",
    ],
)
def test_a_key_that_the_call_did_not_send_is_masked_when_its_beginning_tells_it(key: str) -> None:
    """Protects the operator of a gateway, whose own key for the next host stands in that host's error."""
    assert mask_text(f"Incorrect API key provided: {key}. Request chatcmpl-{'0a' * 16}") == (
        f"Incorrect API key provided: ***. Request chatcmpl-{'0a' * 16}"
    )


@pytest.mark.parametrize(
    "text",
    [
        *("fw_attention_kernel_v2 failed", "r8_e4m3 is no dtype", "model xai-org/grok-4", "csk-1 and nvapi-2"),
        *("no model pplx-embed-context-v1-4b", "host xai-gateway-eu-west-1.internal refused"),
    ],
)
def test_a_word_that_only_begins_like_a_key_stays_visible(text: str) -> None:
    """Protects the cause in an error."""
    assert mask_text(text) == text


def build_request(url: str = "http://pod.test/v1", **headers: str) -> httpx.Request:
    """Return a request with these headers."""
    return httpx.Request("POST", url, headers=headers)


_TABLES = (hints._ADDRESS, hints._NETWORK, hints._SETTINGS, hints._STATUS)


@pytest.mark.parametrize("hint", [hint for rows in _TABLES for hint in rows.values()])
def test_advice_stays_whole_when_an_error_is_masked_again(hint: str) -> None:
    """Protects advice from the mask for passwords, which an error that is another one's context goes through."""
    text = hint.format(url="http://pod.test/v1", host="pod.test", model="m")
    assert mask_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        f"bad password {PASSWORD}",
        "bad password kanarien%20vogel%2F1",
        "bad password kanarien%20vogel/1",
        f"bad header Basic {base64.b64encode(f'bob:{PASSWORD}'.encode()).decode()}",
    ],
)
def test_password_is_masked_when_a_server_repeats_it_in_any_form(text: str) -> None:
    """Protects a password in base_url: as it is, encoded for a URL, and in the Authorization header."""
    word = base64.b64encode(f"bob:{PASSWORD}".encode()).decode()
    secrets = read_secrets(build_request(authorization=f"Basic {word}"))
    assert "***" in mask_text(text, secrets)
    assert "kanarien" not in mask_text(text, secrets)
    assert word not in mask_text(text, secrets)


@pytest.mark.parametrize(
    "name", ["authorization", "x-api-key", "X-Tenant-Token", "cookie", "x-session", "X-Password", "x-amz-signature"]
)
def test_value_is_a_secret_when_its_header_is_named_like_one(name: str) -> None:
    """Protects keys of gateways, which have headers of their own."""
    assert "kanarienvogel" in read_secrets(build_request(**{name: "Bearer kanarienvogel"}))


def test_longest_secret_is_masked_first_when_one_holds_another() -> None:
    """Protects the rest of a secret whose beginning is a secret, too."""
    secrets = read_secrets(build_request(**{"x-key": "kanarien", "x-token": "kanarienvogel"}))
    assert mask_text("kanarienvogel", secrets) == "***"


def test_common_word_stays_when_it_is_a_key_that_tutorials_give() -> None:
    """Protects messages about Ollama from `***` where `api_key="ollama"` was given."""
    assert mask_text("ollama is down", read_secrets(build_request(authorization="Bearer ollama"))) == "ollama is down"


def test_keys_of_an_object_are_masked_when_a_server_writes_the_secret_there() -> None:
    """Protects against an echo in an unexpected place."""
    assert mask_body({"kanarienvogel": ["kanarienvogel"]}, ["kanarienvogel"]) == {"***": ["***"]}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://bob:secret@pod.test:8000/v1?api_key=secret#secret", "http://pod.test:8000/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("http://bob:secret@[::1", "[::1"),
        ("pod.test/v1", "pod.test/v1"),
    ],
)
def test_url_is_shown_without_its_secrets_when_it_has_any_form(url: str, shown: str) -> None:
    """Protects messages, which name the server."""
    assert clean_url(url) == shown


def test_response_is_kept_without_body_when_it_was_not_read() -> None:
    """Protects an error in a stream, whose response is still open, and one in a charset nobody knows."""
    response = httpx.Response(200, headers={"content-type": "text/plain; charset=x"}, content=b"hello")
    assert strip_response(response).text == "hello"
    unread = httpx.Response(200, stream=httpx.ByteStream(b"hello"), headers={"content-encoding": "gzip"})
    assert strip_response(unread).text == ""
    assert strip_response(None) is None


@pytest.mark.parametrize("value", ["模型".encode(), b"caf\xe9", b"\xff\xfe", b""])
def test_response_is_kept_when_a_header_is_not_ascii(value: bytes) -> None:
    """Protects an error from being lost: gateways put its text into a header, in Chinese for one."""
    response = httpx.Response(400, headers=[(b"x-message", value)], text="hello")
    stripped = strip_response(response)
    assert (stripped.headers["x-message"], stripped.text) == (response.headers["x-message"], "hello")


async def end_call(error: OSError, released: asyncio.Future[None]) -> str:
    """Raise the error of a connection, and give back what belongs to the call."""
    try:
        raise error
    except OSError:
        await released
        return "released"


def test_other_calls_go_on_when_one_error_ends_several() -> None:
    """Protects calls over one HTTP/2 connection: httpcore raises its error in each, and gives their streams back."""
    end_call_of_httpcore = FunctionType(end_call.__code__, {"__name__": "httpcore._async.http2"})

    async def strip_while_another_call_ends() -> str:
        error, released = ConnectionResetError("x"), asyncio.get_running_loop().create_future()
        other = asyncio.create_task(end_call_of_httpcore(error, released))
        await asyncio.sleep(0)
        strip_causes(error, error)
        released.set_result(None)
        return await other

    assert asyncio.run(strip_while_another_call_ends()) == "released"
