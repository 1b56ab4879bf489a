"""The fault server does what its script says: everything else in this folder rests on it."""

from __future__ import annotations

import json
import socket

import pytest

from tests.faults.plans import FAULTS, Ask, Pause, content_of, plan_reply
from tests.faults.server import FaultServer, closed_port


@pytest.fixture
def server():
    """One server per test."""
    with FaultServer() as running:
        yield running


def exchange(server, text, *, stream=False, silence=60.0):
    """One request on a socket of its own; returns all bytes until the server closes or is silent, and how it did."""
    body = json.dumps({"messages": [{"role": "user", "content": text}], "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    port = int(server.url.split(":")[2].split("/")[0])
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(head + body)
        client.settimeout(silence)
        try:
            while block := client.recv(65536):
                received += block
        except ConnectionResetError:
            return received, "reset"
        except TimeoutError:
            return received, "open"
    return received, "fin"


def test_answers_with_the_key_when_no_fault_is_named(server):
    """Protects the comparison of answers: the right one holds its own key, and the connection stays open."""
    received, end = exchange(server, "q17 hello", silence=1.0)
    assert content_of("q17") in json.loads(received.partition(b"\r\n\r\n")[2])["choices"][0]["message"]["content"]
    assert end == "open"
    streamed, end = exchange(server, "q18", stream=True, silence=1.0)
    assert streamed.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert [call.key for call in server.calls] == ["q17", "q18"]


@pytest.mark.parametrize("name", ["reset", "fin"])
@pytest.mark.parametrize("at", [0, 1, 200, 900])
def test_connection_ends_at_the_byte_when_told_so(server, name, at):
    """Protects the sweep over every byte: no byte less, no byte more, and the right kind of end."""
    received, end = exchange(server, f"q1 [[{name} {at}]]", stream=True)
    assert (len(received), end) == (at, name)


def test_stall_is_noticed_as_left_when_the_client_goes(server):
    """Protects the tests of cancellation: the server says when a client left, and its connection is gone."""
    received, end = exchange(server, "q1 [[stall e2]]", stream=True, silence=1.0)
    assert end == "open"
    assert received.count(b"data:") == 2
    assert server.wait_until(lambda: server.calls[0].ended == "left" and server.open == 0)


def test_fault_is_over_when_its_times_are_used_up(server):
    """Protects the tests of retries: the first request fails, the second with the same key does not."""
    assert exchange(server, "q1 [[status 503 openai retry-after=0 x1]]", silence=1.0)[0].startswith(b"HTTP/1.1 503 ")
    assert exchange(server, "q1 [[status 503 openai retry-after=0 x1]]", silence=1.0)[0].startswith(b"HTTP/1.1 200 ")
    assert exchange(server, "q2 [[status 503 openai retry-after=0 x1]]", silence=1.0)[0].startswith(b"HTTP/1.1 503 ")


ARGUMENTS = {
    "wrong_length": ["5"],
    "status": ["500"],
    "redirect": ["http://x/"],
    "error_event": ["2"],
    "huge": ["1"],
    "sse_forms": ["crlf"],
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_makes_a_plan_when_asked_for(name, stream):
    """Protects the table: every name works with its arguments, streamed and whole."""
    steps = plan_reply(Ask(key="q1", fault=[name, *ARGUMENTS.get(name, [])], stream=stream))
    assert all(isinstance(step, bytes | Pause) or step in {"reset", "fin"} for step in steps)


def test_connection_is_refused_when_the_port_is_closed():
    """Protects the tests of refused connections."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", closed_port()), timeout=60)
