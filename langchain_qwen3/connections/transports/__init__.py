"""What carries the bytes: httpx or aiohttp."""
