"""The acceptance tests of the service's original plan, over HTTP against a running site."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from embedded.servers import Valkey
from strategy_core.strategies.registry import STRATEGIES
from tests.live_site import LiveSite

SKEW = "/api/v1/strategies/orderbook_skew"


@pytest.fixture(scope="module")
def site(prepared_site: LiveSite, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveSite]:
    """A site on which nobody has ever changed anything."""
    running = LiveSite(
        tmp_path_factory.mktemp("acceptance"),
        redis_url=valkey.url,
        prefix=f"acceptance-{uuid.uuid4().hex[:8]}",
        prepared=(prepared_site.store, prepared_site.tokens),
    ).start()
    yield running
    running.stop()


def test_plan__list__has_all_strategies(site: LiveSite) -> None:
    answer = site.get("/api/v1/strategies").json()
    assert [strategy["strategy_id"] for strategy in answer["data"]] == list(STRATEGIES)
    assert answer["metadata"]["total_count"] == 8


def test_plan__schema__contains_top_levels(site: LiveSite) -> None:
    described = {parameter["name"]: parameter for parameter in site.get(f"{SKEW}/schema").json()["data"]}
    assert (described["top_levels"]["type"], described["top_levels"]["default"]) == ("int", 5)
    assert (described["top_levels"]["min"], described["top_levels"]["max"]) == (1, 20)


def test_plan__defaults__top_levels_5_from_default_and_the_second_read_is_a_cache_hit(site: LiveSite) -> None:
    first = site.get(f"{SKEW}/config").json()
    assert (first["data"]["parameters"]["top_levels"], first["data"]["source"]) == (5, "default")
    second = site.get(f"{SKEW}/config").json()
    assert second["metadata"]["cache_hit"] is True
    assert second["data"] == first["data"]


def test_plan__post__takes_effect_and_the_audit_shows_who_and_why(live_site: Callable[..., LiveSite]) -> None:
    site = live_site()
    body = {"parameters": {"top_levels": 10}, "changed_by": "jane", "reason": "deeper book"}
    response = site.post(f"{SKEW}/config", body)
    assert (response.status_code, response.json()["success"]) == (200, True)
    assert response.json()["data"]["parameters"]["top_levels"] == 10
    (row,) = site.get(f"{SKEW}/audit").json()["data"]
    assert (row["changed_by"], row["reason"], row["action"]) == ("jane", "deeper book", "CREATE")


@pytest.mark.parametrize("parameters", [{"unknown": 1}, {"top_levels": -5}], ids=["unknown", "-5"])
def test_plan__refused_parameters__200_with_success_false_and_an_error(
    site: LiveSite, parameters: dict[str, int]
) -> None:
    response = site.post(f"{SKEW}/config", {"parameters": parameters, "changed_by": "jane"})
    assert (response.status_code, response.json()["success"]) == (200, False)
    assert response.json()["error"]["details"]["errors"][0]["field"] in parameters
    assert site.get(f"{SKEW}/config").json()["data"]["version"] == 0


def test_plan__defaults_endpoint__names_the_strategy(site: LiveSite) -> None:
    answer = site.get(f"{SKEW}/defaults").json()
    assert (answer["data"]["top_levels"], answer["metadata"]["strategy_name"]) == (5, "Order Book Skew")
