"""Changes made over the API are told over NATS, by the process of the Procfile."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import redis

from embedded.servers import NatsServer
from strategy_core.configuration import change_stream, redis_keys, wire_json
from tests.change_listener import ChangeListener
from tests.faults.processes import RelayProcess
from tests.guarded_nats import GuardedNats
from tests.live_site import LiveSite
from tests.monitoring.collector import collecting
from tests.waiting import until

BASE = "/api/v1/strategies"
REQUESTS = (
    ("orderbook_skew/config", {"parameters": {"top_levels": 3}, "changed_by": "jane", "reason": "deeper"}),
    ("orderbook_skew/config/BTCUSDT", {"parameters": {"top_levels": 4}, "changed_by": "bob"}),
    ("ticker_velocity/disable", {"changed_by": "jane", "reason": "halt"}),
)


def test_changes__accepted_before_and_while_it_runs__are_told_as_the_api_tells_them(
    live_site: Callable[..., LiveSite], fresh_nats: NatsServer, tmp_path: Path
) -> None:
    listener = ChangeListener(fresh_nats)
    site = live_site()
    site.post(f"{BASE}/{REQUESTS[0][0]}", REQUESTS[0][1])
    with redis.Redis.from_url(site.redis_url) as client:
        # What came before is not in the stream any more.
        client.xtrim(redis_keys.Keys(site.prefix).changes, maxlen=0, approximate=False)
    with RelayProcess(site, fresh_nats.url, tmp_path) as relay:
        until(lambda: listener.sequences() == [1])
        for path, body in REQUESTS[1:]:
            assert site.post(f"{BASE}/{path}", body).json()["success"]
        until(lambda: len(listener.told()) == 3)
        relay.end()
        assert "Traceback" not in relay.log_path.read_text()
    told = listener.told()
    assert [message.subject for message in told] == [
        "config.changed.orderbook_skew.global",
        "config.changed.orderbook_skew.BTCUSDT",
        "config.changed.ticker_velocity.global",
    ]
    assert [message.id for message in told] == ["1", "2", "3"]
    assert {message.traceparent for message in told} == {""}
    events = site.get("/api/v1/config/changes").json()["data"]
    assert [wire_json.encode(message.change) for message in told] == [
        wire_json.encode(change_stream.ChangeEvent(**event)) for event in events
    ]


def test_changes__where_all_is_traced__are_told_under_the_trace_of_their_request(
    live_site: Callable[..., LiveSite], fresh_nats: NatsServer, tmp_path: Path
) -> None:
    listener, (path, body), trace_id = ChangeListener(fresh_nats), REQUESTS[0], "ab" * 16
    # The same values again would change nothing, and nothing would be told.
    bodies = ({**body, "parameters": {"top_levels": 1 + number % 20}} for number in count())
    with collecting() as collector:
        site = live_site(environment={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"})
        with RelayProcess(site, fresh_nats.url, tmp_path):

            def is_told_under_it() -> bool:
                """A change that is told before Redis knows of it is told under a trace of its own."""
                headers = {"traceparent": f"00-{trace_id}-{'cd' * 8}-01"}
                answer = site.request("POST", f"{BASE}/{path}", json=next(bodies), headers=headers).json()
                sequence = answer["metadata"]["sequence"]
                until(lambda: listener.count() >= sequence)
                return trace_id in listener.told()[-1].traceparent

            until(is_told_under_it)
            parent = listener.told()[-1].traceparent.split("-")[2]
            span = until(lambda: [each for each in collector.named("config.relay") if each.span_id == parent])[0]
            # Each process exports its spans when it comes to it.
            (publication,) = until(
                lambda: [each for each in collector.named("config.publish") if each.span_id == span.parent_id]
            )
    assert (publication.trace_id, span.trace_id) == (trace_id, trace_id)
    assert span.service == "realtime-strategies-relay"


def test_relay__whose_password_was_changed__waits_and_tells_what_it_has_missed(
    live_site: Callable[..., LiveSite], tmp_path: Path
) -> None:
    old, new = "{user: relay, password: old}", "{user: relay, password: new}"
    with GuardedNats(tmp_path / "guarded", old) as guarded:
        listener = ChangeListener(guarded)
        site = live_site()
        with RelayProcess(site, guarded.url_as("relay:old"), tmp_path) as relay:
            site.post(f"{BASE}/{REQUESTS[0][0]}", REQUESTS[0][1])
            until(lambda: listener.sequences() == [1])
            guarded.replace(new)
            site.post(f"{BASE}/{REQUESTS[1][0]}", REQUESTS[1][1])
            until(lambda: "authorization violation" in relay.log_path.read_text().lower())
            assert relay.exit_code is None
            guarded.replace(old)
            until(lambda: listener.sequences() == [1, 2])
