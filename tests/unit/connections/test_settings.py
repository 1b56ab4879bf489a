"""What connections are made of: time limits, proxies and socket options, checked before anything is sent."""

from __future__ import annotations

import socket
from math import inf
from typing import Any

import httpx as classic
import openai
import pytest
from pydantic import SecretStr

from langchain_qwen3 import ChatQwen3
from langchain_qwen3._httpx import httpx
from langchain_qwen3.connections.settings import ConnectionSettings, PoolSettings, check_headers, read_timeout

UNSENDABLE: list[dict[Any, Any]] = [
    {"X-User": "张三 canary"},
    {"X-User": "canary\n"},
    {"X-User": "a\r\nX-Other: canary"},
    {"X-User": " canary"},
    {"X-User": "canary\x00"},
    {"X-User": None},
    {"X-User": 5},
    {"X User": "canary"},
    {"X-User:": "canary"},
    {"用户": "canary"},
    {"": "canary"},
    {1: "canary"},
]
URL = "http://pod.test:8000/v1"


@pytest.mark.parametrize("kind", [httpx.Timeout, classic.Timeout], ids=["sdk", "classic"])
def test_timeout_is_the_sdks_own_when_either_httpx_made_it(kind: Any) -> None:
    """Protects code written for ChatOpenAI, whichever httpx it imports."""
    timeout = read_timeout(kind(5.0, connect=1.0))
    assert type(timeout) is httpx.Timeout
    assert timeout.as_dict() == {"connect": 1.0, "read": 5.0, "write": 5.0, "pool": 5.0}


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        ((1, 9), {"connect": 1, "read": 9, "write": 9, "pool": 1}),
        ((1, 9, 3, None), {"connect": 1, "read": 9, "write": 3, "pool": None}),
        ((1, inf), {"connect": 1, "read": None, "write": None, "pool": 1}),
        (httpx.Timeout(inf, connect=5), {"connect": 5, "read": None, "write": None, "pool": None}),
        (inf, dict.fromkeys(["connect", "read", "write", "pool"])),
        (1e10, dict.fromkeys(["connect", "read", "write", "pool"])),
        (10**400, dict.fromkeys(["connect", "read", "write", "pool"])),
    ],
)
def test_timeout_bounds_every_step_when_it_is_a_tuple_or_endless(value: Any, limits: dict[str, float | None]) -> None:
    """Protects uploads, which (connect, read) would not bound, and sockets, which cannot count to infinity."""
    assert read_timeout(value).as_dict() == limits


@pytest.mark.parametrize("value", [0, -1, 0.0, float("nan"), (0, 5), (5, 0), True, "5", {"read": 5}, (1, 2, 3), []])
def test_timeout_is_refused_when_it_cannot_work(value: Any) -> None:
    """Protects users: httpx fails every call at 0, and aiohttp waits for ever."""
    with pytest.raises(ValueError, match="timeout must be"):
        read_timeout(value)


def test_timeout_is_left_alone_when_it_is_a_number_or_none() -> None:
    """Protects the common case, and None, which leaves the SDK's default."""
    assert (read_timeout(5), read_timeout(0.5), read_timeout(None)) == (5, 0.5, None)


@pytest.mark.parametrize("value", [0, 0.0, -1, (0, 5), (5, 0)])
def test_no_limit_is_what_the_error_says_it_is(value: Any) -> None:
    """Protects users who want no limit from 600 s, which is what None stands for."""
    with pytest.raises(ValueError, match=r"use math\.inf for no limit"):
        ChatQwen3(model="q", timeout=value)
    assert ChatQwen3(model="q", timeout=inf).root_client.timeout == httpx.Timeout(None)
    assert ChatQwen3(model="q", timeout=None).root_client.timeout.read == 600


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"HTTP_PROXY": "http://p.test:1"}, "http://p.test:1"),
        ({"http_proxy": "p.test:1"}, "http://p.test:1"),
        ({"ALL_PROXY": "socks5://p.test:1"}, "socks5://p.test:1"),
        ({"HTTP_PROXY": " http://p.test:1\n"}, "http://p.test:1"),
        ({"HTTP_PROXY": " p.test:1"}, "http://p.test:1"),
        ({"HTTP_PROXY": " "}, None),
        ({"HTTPS_PROXY": "http://p.test:1"}, None),
        ({"HTTP_PROXY": "http://p.test:1", "NO_PROXY": "other.test,pod.test"}, None),
        ({"HTTP_PROXY": "http://p.test:1", "NO_PROXY": ".test"}, None),
        ({"HTTP_PROXY": "http://p.test:1", "NO_PROXY": "pod.test:8000"}, None),
        ({"HTTP_PROXY": "http://p.test:1", "NO_PROXY": "*"}, None),
        ({"HTTP_PROXY": "http://p.test:1", "NO_PROXY": "od.test"}, "http://p.test:1"),
    ],
)
def test_proxy_is_the_environments_when_the_model_has_none(
    environment: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects users behind a company's proxy, and local servers beside it."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ConnectionSettings(base_url=URL).resolve_pool().proxy == proxy
    mine = ConnectionSettings(base_url=URL, proxy=" http://mine.test").resolve_pool()
    assert mine.proxy == "http://mine.test"


PROXY = "http://p.test:1"


@pytest.mark.parametrize(
    ("host", "no_proxy", "proxy"),
    [
        ("10.1.2.3:8000", "10.0.0.0/8", None),
        ("10.1.2.3:8000", "localhost, 127.0.0.1, 10.0.0.0/8", None),
        ("10.1.2.3:8000", "192.168.0.0/16", PROXY),
        ("172.31.0.9", "172.16.0.0/12", None),
        ("172.32.0.9", "172.16.0.0/12", PROXY),
        ("10.1.2.3:8000", "10.1.2.3", None),
        ("10.1.2.3:8000", "10.1.2.3:8000", None),
        ("10.1.2.3:8000", "10.1.2.3:8001", PROXY),
        ("10.1.2.3:8000", "0.1.2.3", PROXY),
        ("10.1.2.3", "10.1.2.3/33", PROXY),
        ("[::1]:8000", "::1", None),
        ("qwen.corp.test:8000", "corp.test", None),
        ("qwen.corp.test:8000", ".corp.test,10.0.0.0/8", None),
        ("qwen.corp.test:8000", "10.0.0.0/8", PROXY),
        ("qwen.corp.test:8000", "*.corp.test", None),
        ("qwen.corp.test", "localhost, *.CORP.test ,10.0.0.0/8", None),
        ("Qwen.corp.test", "*corp.test", None),
        ("10.1.2.3:8000", "10.*", None),
        ("10.1.2.3:8000", "192.168.*,10.1.*", None),
        ("qwen.corp.test", "*", None),
        ("qwen.corp.test", "*.corp", PROXY),
        ("qwen.corp.test", "*.other.test,", PROXY),
        ("qwen.corp.test", " , ,", PROXY),
        ("[::1]:8000", "[::1]", None),
        ("[::1]:8000", "[::1]:8000", None),
        ("[::1]:8000", "[::1]:8001", PROXY),
        ("[::1]:8000", "1", PROXY),
        ("[fd00:1::7]:8000", "fd00::/8", None),
        ("[fd00:1::7]:8000", "fd00:2::/32,10.0.0.0/8", PROXY),
        ("[fd00:1::7]", "fd00:1:0:0:0:0:0:7", None),
        ("10.1.2.3", "fd00::/8", PROXY),
        ("10.1.2.3", "0.0.0.0/0", None),
        ("10.1.2.3", "10.9.9.9/8", None),
        ("10.1.2.3", "10.0.0.0/255.0.0.0", None),
        ("qwen.corp.test:8000", "*.corp.test:8000", None),
        ("qwen.corp.test:8000", "*.corp.test:8001", PROXY),
        ("qwen.corp.test:8000", "corp.test:8000", None),
        ("qwen.corp.test:8000", ".corp.test:8001", PROXY),
        ("qwen.corp.test", "qwen.corp.test:80", None),
        ("10.1.2.3:8000", "10.1.*:8000", None),
        ("10.1.2.3:8000", "10.2.*:8000", PROXY),
        ("qwen.corp.test", "*.a.test *.corp.test", None),
        ("qwen.corp.test", "http://qwen.corp.test", None),
        ("qwen.corp.test", "https://qwen.corp.test", PROXY),
        ("qwen.corp.test:8000", "http://qwen.corp.test:8000/v1", None),
        ("qwen.corp.test:8000", "all://qwen.corp.test/", None),
        ("qwen.corp.test:8000", "http://qwen.corp.test:8001/v1", PROXY),
        ("qwen.corp.test:8000", "://qwen.corp.test", PROXY),
        ("10.1.2.3", "http://10.0.0.0/8", PROXY),
        ("vllm.ns.svc.cluster.local.:8000", "localhost,.svc.cluster.local", None),
        ("vllm.ns.svc.cluster.local.:8000", "*.local:8000", None),
        ("vllm.ns.svc.cluster.local.", "vllm.ns.svc.cluster.local.", None),
        ("10.1.2.10", "10.", PROXY),
        ("xcorp.test", "corp.test", PROXY),
        ("corp.test", ".corp.test", None),
        ("corp.test", "*.corp.test", PROXY),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_no_proxy_is_read_as_in_curl_requests_and_httpx(
    variable: str, host: str, no_proxy: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects local servers from a company's proxy: people write their networks as `10.0.0.0/8`."""
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv(variable, no_proxy)
    assert ConnectionSettings(base_url=f"http://{host}/v1").resolve_pool().proxy == proxy


def test_proxy_is_the_systems_and_its_exceptions_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects macOS and Windows, where the system's settings name the proxy and the hosts without it."""
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"http": PROXY})
    monkeypatch.setattr("urllib.request.proxy_bypass", lambda place: place == "pod.test:8000")
    assert ConnectionSettings(base_url="http://pod.test:8000/v1").resolve_pool().proxy is None
    assert ConnectionSettings(base_url="http://pod.test:8001/v1").resolve_pool().proxy == PROXY


def test_transport_is_aiohttp_when_it_can_be() -> None:
    """Protects the default, and SOCKS, which aiohttp does not speak."""
    assert ConnectionSettings(base_url=URL).resolve_pool().transport == "aiohttp"
    assert ConnectionSettings(base_url=URL, transport="httpx").resolve_pool().transport == "httpx"
    for proxy in ("socks5://p.test", "SOCKS5h://p.test"):
        assert ConnectionSettings(base_url=URL, proxy=proxy).resolve_pool().transport == "httpx"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("transport", {"transport": "http3"}),
        ("openai_proxy", {"proxy": "ftp://user:canary@proxy"}),
        *[("default_headers", {"default_headers": headers}) for headers in UNSENDABLE],
        *[("api_key", {"api_key": SecretStr(key)}) for key in ("canary ", " canary", "canary\n", "键 canary", " ")],
        ("organization", {"organization": "canary\n"}),
        ("organization", {"organization": "组织 canary"}),
        ("openai_proxy", {"proxy": "http://user:canary@proxy", "http_client": object()}),
    ],
)
def test_field_is_named_when_its_value_cannot_work(field: str, values: dict[str, Any]) -> None:
    """Protects users from a late error, and the password that the value may hold."""
    with pytest.raises(ValueError, match=field) as caught:
        ConnectionSettings(base_url=URL, **values).resolve_pool()
    assert "canary" not in str(caught.value)


def test_environment_is_named_when_its_proxy_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects users of a desktop that sets `socks://`; it is nothing to those who bring their own clients."""
    monkeypatch.setenv("ALL_PROXY", "socks://user:canary@p.test:1")
    with pytest.raises(ValueError, match=r"ALL_PROXY must be an http, .* socks5") as caught:
        ConnectionSettings(base_url=URL).resolve_pool()
    assert "canary" not in str(caught.value)
    with httpx.Client(trust_env=False) as own:
        settings = ConnectionSettings(base_url=URL, http_client=own, http_async_client=own)
    assert settings.resolve_pool().proxy is None


@pytest.mark.parametrize("headers", [*UNSENDABLE, [("X-User", "canary")], "X-User: canary"])
def test_call_is_refused_when_its_headers_cannot_be_sent(headers: Any) -> None:
    """Protects users from raw errors of three libraries, none of which names the field."""
    model = ChatQwen3(model="q", base_url=URL, server="vllm")
    with pytest.raises(ValueError, match="extra_headers") as caught:
        model.invoke("hi", extra_headers=headers)
    assert "canary" not in str(caught.value)


def test_headers_pass_when_the_sdk_or_a_library_reads_them() -> None:
    """Protects what is sent today: empty values, bytes, and headers that a call leaves out."""
    check_headers({"X-A": "", "X-B": b"caf\xe9", "x_c.d": "a b", "Authorization": openai.Omit()}, "extra_headers")


def test_secrets_are_hidden_when_settings_are_shown() -> None:
    """Protects the password of a proxy."""
    assert "canary" not in repr(PoolSettings(proxy="http://user:canary@proxy"))
    assert "canary" not in repr(ConnectionSettings(base_url=URL, proxy="canary", default_headers={"a": "canary"}))


def test_dead_peers_are_noticed_when_no_socket_options_are_set() -> None:
    """Protects streams from waiting for ever for a peer that is gone; an empty choice stays empty."""
    options = ConnectionSettings(base_url=URL).resolve_pool().socket_options
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options
    assert ConnectionSettings(base_url=URL, socket_options=()).resolve_pool().socket_options == ()
