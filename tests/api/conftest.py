"""One running site for all tests of the API; each test keeps to a symbol of its own."""

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


@pytest.fixture
def symbol() -> str:
    """A symbol that no other test uses."""
    return f"T{uuid.uuid4().hex[:12].upper()}"


@pytest.fixture
def config_url(symbol: str) -> str:
    """The address of the test's own layer."""
    return f"/api/v1/strategies/orderbook_skew/config/{symbol}"
