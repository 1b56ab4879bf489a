"""What an actor on Ray does with a block, without a cluster; the cluster is in `test_clusters`."""

from __future__ import annotations

import pickle
import socket

import pytest

from langchain_qwen3 import ChatQwen3
from langchain_qwen3.batch import BatchOptions
from langchain_qwen3.batch.on_ray import _check_reachable, _Worker
from langchain_qwen3.batch.results import read_result
from langchain_qwen3.batch.rows import build_row
from tests.faults.plans import content_of
from tests.faults.server import FaultServer


async def test_actor_gives_a_result_for_every_row_when_it_gets_a_block():
    """Protects the way of a row over a cluster and back: model, row and result as bytes, a bad row among them."""
    pa = pytest.importorskip("pyarrow", reason="needs the extra batch")
    values = [{"id": "a", "question": "one"}, {"nothing": 1}, "three [[status 400 openai]]"]
    rows = [build_row(line, value) for line, value in enumerate(values, 1)]
    with FaultServer() as server:
        llm = ChatQwen3(model="Qwen/Qwen3-0.6B", base_url=server.url, server="vllm", api_key="sk-canary")
        worker = _Worker(*pickle.loads(pickle.dumps((llm, BatchOptions(concurrency=2)))))  # noqa: S301  # our own
        block = pa.table({"row": pa.array([pickle.dumps(row) for row in rows], pa.binary())})
        tables = [table async for table in worker(block)]
        await worker._requester.aclose()
    results = [read_result(line) for table in tables for line in table["result"].to_pylist()]
    assert [(result.id, result.line, result.check) for result in results] == [
        (row.id, row.line, row.check) for row in rows
    ]
    assert results[0].content == content_of("one")
    assert [result.error and result.error["class"] for result in results] == [
        None,
        "RowError",
        "Qwen3InvalidRequestError",
    ]


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}"])
def test_address_where_nobody_listens_fails_at_once_when_it_is_tried(address: str):
    """Protects from minutes of Ray's own attempts, with a line for each, where a port is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = address.format(port=listener.getsockname()[1])
        _check_reachable(place)
    with pytest.raises(ConnectionRefusedError):
        _check_reachable(place)


@pytest.mark.parametrize("address", ["auto", "local"])
def test_address_without_a_port_is_left_to_ray_when_it_is_checked(address: str):
    """Protects Ray's own words for a cluster from being looked up as hosts."""
    _check_reachable(address)
