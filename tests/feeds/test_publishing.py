"""Live messages while NATS is away, and what the feeds take from HTTP."""

import asyncio
import time

import pytest
from nats.aio.msg import Msg

from embedded.servers import NatsServer
from realtime_runtime.feeds import publishing, web
from realtime_runtime.feeds.binance.rate_limiter import RateLimiter
from realtime_runtime.feeds.publishing import LivePublisher, connected
from realtime_runtime.feeds.supervision import FeedError
from service_kit.nats_connection import NatsAccess
from tests.feeds.servers.http import JsonServer
from tests.waiting import eventually


async def test_live_publisher__nats_away__keeps_what_fits_counts_the_rest_and_goes_on(
    fresh_nats: NatsServer, nats_subject: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(publishing, "PENDING_BYTES", 10_000)
    async with connected(fresh_nats.url, name="tested", access=NatsAccess()) as client:
        publisher = LivePublisher(client)
        await publisher.publish(nats_subject, b"x" * 100)
        fresh_nats.stop()
        await eventually(lambda: not client.is_connected)
        for _ in range(200):
            await publisher.publish(nats_subject, b"x" * 100)
        assert publisher.published + publisher.lost == 201
        assert publisher.lost > 50
        fresh_nats.start()
        await eventually(lambda: client.is_connected)
        lost = publisher.lost
        await publisher.publish(nats_subject, b"x")
        assert publisher.lost == lost
    assert capsys.readouterr().err.count("live messages are being lost") == 1


async def test_live_publisher__of_prices_in_a_long_outage__gives_up_what_has_waited_and_no_other_message(
    fresh_nats: NatsServer, nats_subject: str, capsys: pytest.CaptureFixture[str]
) -> None:
    prices, figures = f"{nats_subject}.prices", f"{nats_subject}.figures"
    async with connected(fresh_nats.url, name="tested", access=NatsAccess()) as client:
        of_prices, of_figures = LivePublisher(client, keep_seconds=0.2), LivePublisher(client)
        fresh_nats.stop()
        await eventually(lambda: not client.is_connected)
        await of_prices.publish(prices, b"old")
        await of_figures.publish(figures, b"kept")
        assert (of_prices.published, of_prices.lost) == (1, 0)

        async def is_given_up() -> bool:
            await of_prices.publish(prices, b"old")
            return of_prices.published == 0

        await eventually(is_given_up)
        assert (of_figures.published, of_figures.lost) == (1, 0)
        fresh_nats.start()
        arrived: list[bytes] = []

        async def take(message: Msg) -> None:
            arrived.append(message.data)

        # The client that was cut off takes up its subscriptions before it writes what has waited.
        await client.subscribe(f"{nats_subject}.>", cb=take)
        await eventually(lambda: client.is_connected)
        lost = of_prices.lost
        await of_prices.publish(prices, b"new")
        await eventually(lambda: b"new" in arrived)
        assert arrived == [b"kept", b"new"]
        assert (of_prices.published, of_prices.lost) == (1, lost)
    assert capsys.readouterr().err.count("given up until it is back") == 1


async def test_rate_limiter__many_at_once__pass_at_their_distance_and_in_order() -> None:
    limiter = RateLimiter(0.02)
    times = []
    for _ in range(6):
        await limiter.acquire()
        times.append(time.monotonic())
    assert times[-1] - times[0] >= 0.095


async def test_rate_limiter__held_while_several_wait__lets_them_pass_later_and_in_the_order_of_asking() -> None:
    limiter = RateLimiter(0.01)
    started, order = time.monotonic(), []

    async def ask(name: str) -> None:
        await limiter.acquire()
        order.append(name)

    await limiter.acquire()
    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(ask(name))
        await asyncio.sleep(0)
        limiter.hold(0.2)
    assert order == ["a", "b", "c"]
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize(
    ("status", "headers", "body", "problem"),
    [
        (200, {}, b"x" * 2_000, "answers with more than 1,000 bytes"),
        (302, {"Location": "http://elsewhere.example/"}, b"", "answers 302"),
        (404, {}, b"", "answers 404"),
    ],
)
async def test_get__unusable_answer__is_a_feed_error_without_the_parameters(
    status: int, headers: dict[str, str], body: bytes, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "MAX_ANSWER_BYTES", 1_000)
    async with JsonServer() as server, web.new_session() as session:
        server.refusals.append((status, headers, body))
        with pytest.raises(FeedError, match=problem) as raised:
            await web.get(session, f"{server.url}/any", parameters={"api_key": "s3cret"})
    assert "s3cret" not in str(raised.value)


async def test_get__nobody_there__is_a_feed_error_without_the_parameters() -> None:
    async with web.new_session() as session:
        with pytest.raises(FeedError, match="cannot be reached") as raised:
            await web.get(session, "http://127.0.0.1:1/any", parameters={"api_key": "s3cret"})
    assert "s3cret" not in str(raised.value)
