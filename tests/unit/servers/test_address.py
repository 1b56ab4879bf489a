"""The address of a server: what requests go to, and what of it is sent otherwise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.servers.address import split_url

URL = "http://pod.test:8000/v1"


@pytest.mark.parametrize(
    ("url", "clean", "headers", "query"),
    [
        (URL, URL, {}, {}),
        (f" {URL}/ \r\n", URL, {}, {}),
        ("http://bob:pw@pod.test/v1", "http://pod.test/v1", {"Authorization": "Basic Ym9iOnB3"}, {}),
        ("http://bob@pod.test/v1", "http://pod.test/v1", {"Authorization": "Basic Ym9iOg=="}, {}),
        ("http://b%40b:p%3Aw@[::1]:80/v1", "http://[::1]:80/v1", {"Authorization": "Basic YkBiOnA6dw=="}, {}),
        (f"{URL}/?key=abc&v=", URL, {}, {"key": "abc", "v": ""}),
        (f"{URL}?a=1&b=1&a=1", URL, {}, {"a": "1", "b": "1"}),
        (f"{URL}/chat/completions", URL, {}, {}),
        (f"{URL}//chat/completions/", URL, {}, {}),
        ("http://pod.test/chat/completions?api-version=1", "http://pod.test", {}, {"api-version": "1"}),
        ("http://pod.test/my-chat/completions", "http://pod.test/my-chat/completions", {}, {}),
        ("http://pod.test/chat/completions/v1", "http://pod.test/chat/completions/v1", {}, {}),
        ("http://my_model:80/v1", "http://my_model:80/v1", {}, {}),
        ("http://[fe80::1%eth0]:80/v1", "http://[fe80::1%eth0]:80/v1", {}, {}),
        (
            "http://bob:p{w<@pod.test/v1?v=a{b}",
            "http://pod.test/v1",
            {"Authorization": "Basic Ym9iOnB7dzw="},
            {"v": "a{b}"},
        ),
        ("http://模型.test./v1", "http://模型.test./v1", {}, {}),
    ],
)
def test_address_is_split_when_it_holds_more_than_a_place(
    url: str, clean: str, headers: dict[str, str], query: dict[str, str]
) -> None:
    """Protects passwords and keys in an address: they are sent alike everywhere, and no text shows them."""
    assert split_url(url) == (clean, headers, query)


@pytest.mark.parametrize(
    "url",
    ["https://gpu-pod<id>-8000.web.gpu.csdn.net/v1", "http://{host}:8000/v1", "http://pod.test:8000/<path>/v1"],
)
def test_placeholder_is_named_when_it_was_copied_from_a_page(url: str) -> None:
    """Protects who copies an example: a placeholder was taken for a redirect, or for a host that is down."""
    with pytest.raises(ValueError, match="base_url still contains a placeholder"):
        split_url(url)


@pytest.mark.parametrize("query", ["a=1&a=2", "a=&a=2", "b=0&a=canary&a=%20", "a=1&a="])
def test_address_is_refused_when_its_query_has_a_name_twice(query: str) -> None:
    """Protects from a request that is sent with the last value alone; the error shows none, it may be a key."""
    with pytest.raises(ValueError, match="base_url contains a query parameter twice") as caught:
        split_url(f"{URL}?{query}")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000/v1",
        "ftp://pod.test/v1",
        "http:///v1",
        "http://pod.test:port/v1",
        "http://[::1/v1",
        "http://pod.test/v 1",
        "http://pod.test/v1\n/x",
        "http://pod..test/v1",
        "http://.test/v1",
        f"http://{'a' * 64}.test/v1",
        "http://１２７.０.０.１:8000/v1",
        "http://☃.test/v1",
    ],
)
def test_address_is_refused_when_no_request_can_go_there(url: str) -> None:
    """Protects users from an error of an HTTP library that does not name the field."""
    with pytest.raises(ValueError, match="base_url"):
        split_url(url)


@pytest.mark.parametrize(
    ("host", "rule"),
    [
        ("192.168.1.300", "four numbers"),
        ("192.168.001.010", "four numbers"),
        ("１２７.０.０.１", "full-width"),
        ("pod..test", "between its dots"),
    ],
)
def test_error_says_what_a_host_is_made_of(host: str, rule: str) -> None:
    """Protects who mistypes a number: the rule for names says nothing about it."""
    with pytest.raises(ValueError, match=f"base_url contains the host .*{rule}"):
        split_url(f"http://{host}:8000/v1")


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://bob:p#w@pod.test/v1", "%23"),
        ("http://bob:2024#w@pod.test/v1", "%23"),
        ("http://bob:#w@pod.test/v1", "%23"),
        ("http://bob:p?w@pod.test/v1", "%3F"),
        ("https://bob:p/w@pod.test:8000/v1", "%2F"),
        ("http://bob:p#w@[::1]:8000/v1", "%23"),
        ("http://bob:pw@pod.test:port/v1", "port"),
        ("http://bob:pw@[::1/v1", "brackets"),
        ("http://bob:p[w@pod.test/v1", "brackets"),
        ("http://bob:pw@[pod]:8000/v1", "brackets"),
        ("http://bob:pw@pod.test：8000/v1", "port"),
        ("http://bob:pw＠pod.test/v1", "port"),
        ("http://bob:pw@pod.test／v1", "port"),
        ("http://bob：pw@pod.test/v1", "port"),
        ("http://pod.test:port/v1", "port"),
        ("http://pod.test:99999/v1?user=x", "port"),
    ],
)
@pytest.mark.parametrize("read", [split_url, lambda url: ChatQwen3(model="q", base_url=url)], ids=["URL", "model"])
def test_error_names_what_is_wrong_with_an_address(
    url: str, rule: str, read: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protects users with such a sign in the password from looking for a wrong port; the error shows no password."""
    monkeypatch.delenv("QWEN_API_KEY", raising=False)
    with pytest.raises(ValueError, match=f"base_url cannot be read: .*{rule}") as caught:
        read(url)
    assert "bob" not in str(caught.value)
    assert ("%23" in str(caught.value)) == rule.startswith("%")


@pytest.mark.parametrize(
    ("url", "sign"),
    [
        ("http：//pod.test/v1", "："),
        ("http://pod.test：8000/v1", "："),
        ("http://pod.test:8000。/v1", "。"),
        ("http:／／pod.test/v1", "／"),
        ("“http://pod.test/v1”", "“"),
        ("http://bob:p：w@pod.test：port/v1", "："),
        ("http://bob：pw@pod.test/v1", ""),
        ("pod.test/v1", ""),
        ("http://pod.test:port/v1", ""),
    ],
)
def test_error_shows_the_sign_when_one_only_looks_like_that_of_an_address(url: str, sign: str) -> None:
    """Protects users of a Chinese keyboard from "must begin with http://" about an address that seems to."""
    with pytest.raises(ValueError, match="base_url") as caught:
        split_url(url)
    assert ("keyboard" in str(caught.value)) == (sign != "")
    assert sign in str(caught.value)


@pytest.mark.parametrize("quote", ['"', "'"])
def test_error_names_the_quotation_mark_and_the_variable(quote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects users of an env file whose reader keeps quotation marks, and who passed no base_url at all."""
    url = f"{quote}http://pod.test/v1{quote}"
    with pytest.raises(ValueError, match=r"begins with a quotation mark: leave that off$"):
        split_url(url)
    monkeypatch.setenv("QWEN_BASE_URL", f" {url}")
    with pytest.raises(ValueError, match=r"quotation mark: leave that off \(it is the value of \$QWEN_BASE_URL\)"):
        ChatQwen3(model="q")
    with pytest.raises(ValueError, match=r"^base_url must begin with http:// [^$]*$"):
        split_url("pod.test")
