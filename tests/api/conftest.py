"""Two running sites for all tests of the API: one whose Redis stays, and one whose Redis a test may take away."""

import uuid
from collections.abc import Iterator

import pytest

from embedded.servers import Valkey
from tests.live_site import LiveSite


@pytest.fixture(scope="session")
def site(prepared_site: LiveSite, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """A site with one worker process, as it runs in production."""
    running = LiveSite(
        tmp_path_factory.mktemp("api-site"),
        redis_url=valkey.url,
        prefix=f"api-{uuid.uuid4().hex[:8]}",
        prepared=(prepared_site.store, prepared_site.tokens),
    ).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def own_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """The Redis of `site_of_own_redis`, to be stopped, killed or paused."""
    with Valkey(tmp_path_factory.mktemp("own-valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def running_site_of_own_redis(
    prepared_site: LiveSite, own_valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveSite]:
    running = LiveSite(
        tmp_path_factory.mktemp("site-of-own-redis"),
        redis_url=own_valkey.url,
        prefix="own",
        prepared=(prepared_site.store, prepared_site.tokens),
    ).start()
    yield running
    running.stop()


@pytest.fixture
def site_of_own_redis(running_site_of_own_redis: LiveSite, own_valkey: Valkey) -> LiveSite:
    """A site that has found its Redis, which is empty; in its store is what other tests have left."""
    own_valkey.stop()
    own_valkey.start()
    running_site_of_own_redis.wait_until_ready()
    return running_site_of_own_redis


@pytest.fixture
def symbol() -> str:
    """A symbol that no other test uses."""
    return f"T{uuid.uuid4().hex[:12].upper()}"


@pytest.fixture
def config_url(symbol: str) -> str:
    """The address of the test's own layer."""
    return f"/api/v1/strategies/orderbook_skew/config/{symbol}"
