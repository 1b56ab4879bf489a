"""The transports: httpx and aiohttp."""
