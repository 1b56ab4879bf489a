"""How much work an engine has done, for tests of what stops it."""

import asyncio

import httpx

from langchain_qwen3.local import LocalServer


async def wait_until_idle(server: LocalServer) -> int:
    """Wait until the engine computes for nobody, and return how many tokens it has written since it started."""
    async with asyncio.timeout(60), httpx.AsyncClient(base_url=server.base_url, trust_env=False) as http:
        while True:
            lines = (await http.get("../metrics")).raise_for_status().text.splitlines()
            values = {
                name: float(value) for name, value in (line.split() for line in lines if not line.startswith("#"))
            }
            if not values["llamacpp:requests_processing"]:
                return int(values["llamacpp:tokens_predicted_total"])
            await asyncio.sleep(0.01)
