"""Whether all stops in Redis are in force, asked on a connection of its own.

For a process that stood still: what its own read of Redis brings next may be an answer from before the pause.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from redis.exceptions import RedisError

from realtime_runtime.config import reading
from realtime_runtime.config.connection import RedisConnection
from realtime_runtime.config.halt_reader import HaltReader
from strategy_core.configuration.redis_keys import Keys

CONFIRM_SECONDS = 3.0

log = structlog.get_logger(__name__)


async def confirm(url: str, keys: Keys, halts: HaltReader, reached: Callable[[int], Awaitable[None]]) -> None:
    """Put the halts in force that Redis has now, and return when ``reached`` has the sequence that it has now.

    Where Redis does not answer, or the sequence is not reached within ``CONFIRM_SECONDS``, that is logged: the caller
    goes on as in an outage of Redis.
    """
    try:
        async with asyncio.timeout(CONFIRM_SECONDS), RedisConnection(url, name=f"{keys.prefix}-confirm") as connection:
            published, *found = await connection.exchange([("GET", keys.sequence), *halts.commands()])
            await halts.take(found)
            await reached(reading.sequence_of(published) or 0)
    except (RedisError, OSError, TimeoutError) as exception:
        log.warning("config.unconfirmed", error=f"{type(exception).__name__}: {exception}")
