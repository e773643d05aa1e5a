"""How fast one caller may go: 429 with Retry-After, each caller apart, and never a refusal for want of Redis."""

from collections.abc import Callable, Iterator

import httpx
import pytest
import redis
from django.conf import settings as django_settings
from pytest_django.fixtures import Settings
from redis.exceptions import NoScriptError

from embedded.servers import Valkey
from strategy_config.accounts.client_address import client_address
from strategy_config.api.common import rate_limits
from strategy_config.redis import redis_client
from strategy_config.redis.site_keys import SiteKeys
from tests.live_site import LiveSite
from tests.security.conftest import at_the_start, guarded_site

CONFIG = "/api/v1/strategies/orderbook_skew/config"
BODY = {"parameters": {}, "changed_by": "jane", "validate_only": True}
# One request grows back in a second: what is refused now is refused whatever the machine does meanwhile.
SLOW = {
    "RATE_LIMIT_READS_PER_SECOND": "1",
    "RATE_LIMIT_READS_BURST": "5",
    "RATE_LIMIT_WRITES_PER_SECOND": "1",
    "RATE_LIMIT_WRITES_BURST": "3",
}
FLOOD = 200


def flood(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The first refusal; fails where there is none."""
    for _ in range(FLOOD):
        response = ask()
        if response.status_code == 429:
            return response
    pytest.fail("no limit")


@pytest.fixture(scope="module")
def running_site(
    prepared_site: LiveSite, own_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveSite]:
    yield from guarded_site(tmp_path_factory, prepared_site, own_valkey, {**SLOW, "API_ANONYMOUS": "read"})


@pytest.fixture
def slow_site(running_site: LiveSite, own_valkey: Valkey) -> LiveSite:
    """The site with all buckets full."""
    return at_the_start(running_site, own_valkey)


@pytest.mark.parametrize(
    "path", [CONFIG, f"{CONFIG}/BTCUSDT", "/api/v1/strategies", "/api/v1/strategies/nowhere/config"]
)
def test_reads__too_fast__429_in_the_envelope(slow_site: LiveSite, path: str) -> None:
    refusal = flood(lambda: slow_site.get(path))
    assert refusal.headers["Retry-After"] == "1"
    body = refusal.json()
    assert (body["success"], body["data"], body["error"]["code"]) == (False, None, "RATE_LIMITED")
    assert body["metadata"]["request_id"] == refusal.headers["X-Request-ID"]


def test_writes__too_fast__are_refused_apart_from_reads(slow_site: LiveSite) -> None:
    assert flood(lambda: slow_site.post(CONFIG, BODY)).json()["error"]["code"] == "RATE_LIMITED"
    assert slow_site.get("/api/v1/strategies").status_code == 200


def test_callers__each__have_a_bucket_of_their_own(slow_site: LiveSite) -> None:
    for name in ("admin", "viewer"):
        # The first request of a token that nobody knows yet is its address's.
        slow_site.get(CONFIG, token=slow_site.tokens[name])
    flood(lambda: slow_site.get(CONFIG, token=slow_site.tokens["viewer"]))
    assert slow_site.get(CONFIG).status_code == 200
    assert slow_site.get(CONFIG, token=None).status_code == 200


def test_made_up_tokens__each_another__share_the_bucket_of_their_address(slow_site: LiveSite) -> None:
    numbers = iter(range(FLOOD))
    refusal = flood(lambda: slow_site.get(CONFIG, token=f"rts_made_up_{next(numbers)}"))
    assert refusal.json()["error"]["code"] == "RATE_LIMITED"
    # A bucket of their own would let all of these pass; of the shared one a token may have grown back by now.
    burst = int(SLOW["RATE_LIMIT_READS_BURST"])
    assert 429 in {slow_site.get(CONFIG, token=None).status_code for _ in range(burst)}


def test_anonymous__too_fast__is_limited_by_address(slow_site: LiveSite) -> None:
    headers = iter({"X-Forwarded-For": f"10.0.0.{number}"} for number in range(FLOOD))
    refusal = flood(lambda: slow_site.get(CONFIG, token=None, headers=next(headers)))
    assert refusal.status_code == 429


def test_redis_gone__nobody_is_refused__and_the_log_says_so(slow_site: LiveSite, own_valkey: Valkey) -> None:
    own_valkey.kill()
    assert {slow_site.get("/api/v1/strategies").status_code for _ in range(20)} == {200}
    assert slow_site.log_path.read_text().count("rate_limits.open") == 1


def test_limits__set_to_nothing__ask_redis_for_nothing(
    live_site: Callable[..., LiveSite], valkey: Valkey, redis_prefix: str
) -> None:
    site = live_site(environment={"RATE_LIMIT_READS_PER_SECOND": "0", "RATE_LIMIT_WRITES_PER_SECOND": "0"})
    assert {site.get(CONFIG).status_code for _ in range(20)} == {200}
    with redis.Redis.from_url(valkey.url) as client:
        assert list(client.scan_iter(f"{redis_prefix}:rate:*")) == []


@pytest.fixture
def bucket(valkey: Valkey, redis_prefix: str, settings: Settings) -> Callable[[], int]:
    """Takes one token of 10 a second and 3 at once: the milliseconds to wait."""
    settings.REDIS_URL = valkey.url
    settings.REDIS_KEY_PREFIX = redis_prefix
    settings.RATE_LIMITS = {"reads": (10, 3), "writes": (0, 1)}
    command = rate_limits.take_command("caller:x", rate_limits.LimitedKind.READS)
    assert command is not None
    assert rate_limits.seconds_to_wait(NoScriptError()) == 0

    def take() -> int:
        (reply,) = redis_client.run(lambda client: redis_client.exchange(client, [command], 1))
        return int(reply)

    return take


def test_bucket__emptied__refuses_and_forgets_itself(bucket: Callable[[], int], redis_prefix: str) -> None:
    waits = [bucket() for _ in range(30)]
    assert waits[:3] == [0, 0, 0]
    assert any(0 < wait <= 100 for wait in waits[3:])
    take = rate_limits.take_command("caller:x", rate_limits.LimitedKind.READS)
    assert take is not None
    # In one write: what it holds is forgotten after 300 ms, and a moment later it could be.
    commands = [take, redis_client.pack("PTTL", SiteKeys(redis_prefix).rate("reads:caller:x"))]
    _, ttl = redis_client.run(lambda client: redis_client.exchange(client, commands, 2))
    assert 0 < ttl <= 300


def test_bucket__after_the_clock_was_set_back__keeps_nobody_out_for_long(
    bucket: Callable[[], int], valkey: Valkey, redis_prefix: str
) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        seconds, _ = client.time()
        client.set(SiteKeys(redis_prefix).rate("reads:caller:x"), (seconds + 3_600) * 1_000_000)
    assert 0 < bucket() <= 100


@pytest.mark.parametrize(
    ("proxies", "environ", "expected"),
    [
        (0, {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "1.1.1.1"}, "192.0.2.1"),
        (1, {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "1.1.1.1, 192.0.2.1"}, "192.0.2.1"),
        (2, {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "6.6.6.6, 192.0.2.1, 10.0.0.2"}, "192.0.2.1"),
        (1, {"REMOTE_ADDR": "192.0.2.1"}, "192.0.2.1"),
        (1, {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "nonsense"}, "unknown"),
        (0, {"REMOTE_ADDR": "2001:db8:1:2:3::4"}, "2001:db8:1:2::/64"),
        (0, {"REMOTE_ADDR": "::ffff:192.0.2.1"}, "192.0.2.1"),
        (0, {}, "unknown"),
    ],
)
def test_address__of_a_caller__is_one_that_they_cannot_choose(
    settings: Settings, proxies: int, environ: dict[str, str], expected: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert client_address(environ) == expected


def test_defaults__are_those_of_the_contract() -> None:
    assert django_settings.RATE_LIMITS == {"reads": (500, 1_000), "writes": (20, 100)}
