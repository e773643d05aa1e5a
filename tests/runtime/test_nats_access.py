"""The client of NATS where a server hangs: connections stay open, and nothing is taken."""

import asyncio
import time

import pytest

from embedded.servers import NatsServer
from service_kit.nats_connection import CLOSE_SECONDS, CheckedClient

PAYLOAD = bytes(512 * 1024)


async def fill(client: CheckedClient) -> None:
    """Publish until nothing more fits, and wait there for ever."""
    while True:
        await client.publish("nobody.listens", PAYLOAD)


async def filled(server: NatsServer) -> tuple[CheckedClient, "asyncio.Task[None]"]:
    """A client whose buffers are full, and the task that waits for that to change."""
    client = CheckedClient()
    await client.connect(server.url, pending_size=len(PAYLOAD))
    server.pause()
    task = asyncio.create_task(fill(client))
    published = -1
    while published != client.stats["out_msgs"]:
        published = client.stats["out_msgs"]
        await asyncio.sleep(0.2)
    return client, task


async def test_publish__cancelled_while_the_buffer_is_flushed__ends(fresh_nats: NatsServer) -> None:
    client, task = await filled(fresh_nats)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(60):
            await task
    await client.close()


async def test_close__server_hangs__takes_no_longer_than_it_may(fresh_nats: NatsServer) -> None:
    client, task = await filled(fresh_nats)
    task.cancel()
    began = time.monotonic()
    await client.close()
    # Without a bound it takes as long as the server hangs.
    assert CLOSE_SECONDS <= time.monotonic() - began < CLOSE_SECONDS + 30
    assert client.is_closed
    await asyncio.gather(task, return_exceptions=True)
