"""What the site shows to Prometheus, whichever of its worker processes is asked."""

from collections.abc import Callable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.live_site import LiveSite

CONFIG = "/api/v1/strategies/orderbook_skew/config"
ROUTE = "api/v1/strategies/<str:strategy_id>/config"
WORKERS = 2
READS = 40


def shown(site: LiveSite, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    families = text_string_to_metric_families(site.get("/metrics", token=None).text)
    found = [each for family in families for each in family.samples if each.name == name]
    return sum(each.value for each in found if labels.items() <= each.labels.items())


def test_metrics__of_several_worker_processes__are_shown_as_one_by_any(
    live_site: Callable[..., LiveSite], tmp_path: Path
) -> None:
    directory = tmp_path / "prometheus"
    directory.mkdir()
    site = live_site(workers=WORKERS, environment={"PROMETHEUS_MULTIPROC_DIR": str(directory)})
    body = {"parameters": {"top_levels": 7}, "changed_by": "ann"}
    assert site.post(CONFIG, json=body).json()["metadata"]["published"] is True
    for _ in range(READS):
        # A connection each, so that both processes get some.
        assert site.get(CONFIG, headers={"Connection": "close"}).status_code == 200
    for _ in range(2 * WORKERS):
        assert shown(site, "http_requests_total", route=ROUTE, method="GET", status="200") == READS
        assert shown(site, "http_request_duration_seconds_count", route=ROUTE, method="POST") == 1
        assert shown(site, "configsite_config_reads_total", source="cache") == READS
        assert shown(site, "configsite_changes_total", action="CREATE", channel="api") == 1
        assert shown(site, "configsite_publication_seconds_count", outcome="published") == 1
        assert shown(site, "configsite_sequence", **{"in": "store"}) == 1
        assert shown(site, "configsite_sequence", **{"in": "redis"}) == 1
    assert len(list(directory.glob("counter_*.db"))) == WORKERS
    assert shown(site, "configsite_redis_call_seconds_count", outcome="ok") >= READS
    assert shown(site, "configsite_store_call_seconds_count", kind="write", outcome="ok") >= 1
