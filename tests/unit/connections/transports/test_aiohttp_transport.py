"""What aiohttp says differently: its errors as httpx's kinds, a proxy's password, and what a failure is called."""

from __future__ import annotations

import asyncio
import errno
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.transports.aiohttp_transport import (
    _Body,
    _build_proxy_options,
    _upload,
    translate_error,
)
from langchain_qwen3.connections.transports.shared import PIECE, Pieces

KEY: Any = SimpleNamespace(host="pod.test", port=8000, ssl=True, is_ssl=False)
INFO: Any = SimpleNamespace(real_url="http://pod.test/v1?key=canary")


def refuse(number: int) -> aiohttp.ClientConnectorError:
    """Return aiohttp's error of a connection that was not made."""
    return aiohttp.ClientConnectorError(KEY, OSError(number, "whatever aiohttp says"))


ERRORS = [
    (aiohttp.ConnectionTimeoutError(), httpx.ConnectTimeout),
    (aiohttp.SocketTimeoutError(), httpx.ReadTimeout),
    (TimeoutError(), httpx.ReadTimeout),
    (refuse(errno.ECONNREFUSED), httpx.ConnectError),
    (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "Name or service not known")), httpx.ConnectError),
    (aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("expired")), httpx.ConnectError),
    (aiohttp.ClientProxyConnectionError(KEY, OSError(errno.ECONNREFUSED, "x")), httpx.ConnectError),
    (aiohttp.ClientHttpProxyError(INFO, (), status=407, message="no"), httpx.ProxyError),
    (aiohttp.InvalidURL("http://["), httpx.UnsupportedProtocol),
    (aiohttp.NonHttpUrlClientError("ftp://x"), httpx.UnsupportedProtocol),
    (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), httpx.ReadError),
    (aiohttp.ClientPayloadError("... ConnectionResetError(104, 'reset')"), httpx.ReadError),
    (aiohttp.ClientPayloadError("not completed"), httpx.RemoteProtocolError),
    (aiohttp.ServerDisconnectedError(), httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError(INFO, (), status=400, message="bad"), httpx.RemoteProtocolError),
    (ValueError("a header with a line break"), httpx.LocalProtocolError),
]


@pytest.mark.parametrize(("error", "kind"), ERRORS, ids=[f"{type(error).__name__}" for error, _ in ERRORS])
def test_error_becomes_the_kind_that_httpx_raises(error: Exception, kind: type[Exception]) -> None:
    """Protects retries and callers, who know httpx's errors alone, and keys in an address, which aiohttp quotes."""
    translated = translate_error(error)
    assert type(translated) is kind
    assert "canary" not in str(translated)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ECONNREFUSED, "cannot connect to pod.test:8000: Connection refused"),
        (errno.EHOSTUNREACH, "cannot connect to pod.test:8000: No route to host"),
        (-2, "cannot connect to pod.test:8000: whatever aiohttp says"),
    ],
)
def test_failure_is_named_without_ssl_when_there_is_none(number: int, text: str) -> None:
    """Protects readers of an error: aiohttp's own says "ssl:default" about plain http."""
    assert str(translate_error(refuse(number))) == text


def test_failure_is_named_when_it_has_no_text() -> None:
    """Protects readers of an error: a peer that leaves during the handshake is an error without words."""
    error = aiohttp.ClientConnectorError(KEY, ConnectionResetError())
    assert str(translate_error(error)) == "cannot connect to pod.test:8000: ConnectionResetError()"


def test_status_is_named_when_a_proxy_refuses_to_connect() -> None:
    """Protects users of a company's proxy: 407 wants a password, 403 another proxy, and the reason may be empty."""
    error = aiohttp.ClientHttpProxyError(INFO, (), status=407, message="Proxy Authentication Required")
    assert str(translate_error(error)) == "407 Proxy Authentication Required"


def test_password_of_a_proxy_goes_to_the_proxy_alone() -> None:
    """Protects the password: it is in no address that a log or an error could show."""
    options = _build_proxy_options(httpx.Proxy("http://bob:p%40ss@proxy.test:3128"))
    assert options["proxy"] == "http://proxy.test:3128"
    assert options["proxy_headers"]["Authorization"] == "Basic Ym9iOnBAc3M="
    assert "Authorization" not in _build_proxy_options(httpx.Proxy("http://proxy.test"))["proxy_headers"]


def test_reason_is_the_certificate_s_own_when_it_is_refused():
    """Protects the reader from aiohttp's and ssl's wrapping, which hides the reason behind 200 characters."""
    refused = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: …")
    refused.verify_message = "Hostname mismatch, certificate is not valid for 'a'."
    error = translate_error(aiohttp.ClientConnectorCertificateError(KEY, refused))
    assert str(error).endswith(": certificate verify failed: Hostname mismatch, certificate is not valid for 'a'.")


async def test_loop_reads_an_early_reply_when_a_large_body_is_written() -> None:
    """Protects the status of an upload that a server refuses and does not read: the next write would lose it."""
    turns = 0
    loop = asyncio.get_running_loop()

    def count() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(count)

    loop.call_soon(count)
    async with asyncio.timeout(None) as limit:
        seen = [turns async for _ in _upload(Pieces(b"x" * 3 * PIECE), limit, 60)]
    assert len(seen) == 3
    assert all(later - earlier >= 2 for earlier, later in zip([0, *seen], seen, strict=False))


async def test_error_of_a_body_keeps_no_traceback_when_aiohttp_raises_one_object_for_all() -> None:
    """Protects services from frames and replies that pile up on aiohttp's shared error, one with every stall."""
    shared = aiohttp.ClientConnectionError("Connection closed")

    class Content:
        async def readany(self) -> bytes:
            raise shared

    for _ in range(3):
        with pytest.raises(httpx.RemoteProtocolError):
            async for _ in _Body(SimpleNamespace(content=Content())):  # type: ignore[arg-type]
                pass
    assert shared.__traceback__ is None
