"""The feeds' connection to NATS when the server goes away."""

import pytest

from embedded.servers import NatsServer
from realtime_runtime.feeds.publishing import connected
from realtime_runtime.nats_access import NatsAccess
from tests.feeds.test_replay import until


async def test_connected__left_with_unsent_messages__says_so_and_raises_nothing(
    fresh_nats: NatsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    async with connected(fresh_nats.url, name="test", access=NatsAccess()) as client:
        fresh_nats.stop()
        await until(lambda: client.is_reconnecting)
        await client.publish("prices", b"1")
    assert "the last messages may not have been sent" in capsys.readouterr().err
    assert client.is_closed
