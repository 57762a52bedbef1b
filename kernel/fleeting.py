"""What may be forgotten at any moment: values in the cache. While that is away nothing is known, and nobody waits."""

from __future__ import annotations

import logging
from typing import Any, Final

from django.core.cache import cache
from redis.exceptions import RedisError

from kernel.pauses import Pause

logger = logging.getLogger(__name__)

# To know nothing for half a minute of what may be missed costs less than the waiting of each page.
PAUSE_SECONDS: Final = 30.0
_pause = Pause(seconds=PAUSE_SECONDS)


def recall(key: str) -> Any:
    """None: it was never kept, it is forgotten, or the cache is away."""
    if _pause.is_on:
        return None
    try:
        return cache.get(key)
    except (RedisError, OSError) as error:
        _be_away(error)
        return None


def keep(key: str, value: Any, *, seconds: float) -> None:
    if _pause.is_on:
        return
    try:
        cache.set(key, value, timeout=seconds)
    except (RedisError, OSError) as error:
        _be_away(error)


def _be_away(error: Exception) -> None:
    """By its kind alone: an address may have a password in it."""
    logger.warning("cache_is_away", extra={"error": type(error).__name__})
    _pause.begin()
