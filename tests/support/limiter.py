"""A rate limiter that counts."""

from __future__ import annotations

from langchain_core.rate_limiters import BaseRateLimiter


class CountingLimiter(BaseRateLimiter):
    """Lets every request through, and counts them in `count`."""

    count = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        """Count a request."""
        self.count += 1
        return blocking

    async def aacquire(self, *, blocking: bool = True) -> bool:
        """Count a request."""
        return self.acquire(blocking=blocking)
