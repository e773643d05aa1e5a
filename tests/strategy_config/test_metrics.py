"""What the services and the clock measure of themselves."""

from collections.abc import Callable

import pytest
from django.conf import settings
from prometheus_client import REGISTRY

from configsite.metrics import SharedState
from embedded.servers import Valkey
from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import verification
from strategy_config.publication import publisher
from strategy_config.redis import redis_client
from strategy_config.store import transactions
from strategy_config.tasks import periodic
from tests.strategy_config.conftest import CacheUnderTest
from tests.strategy_config.test_services import write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)


class Rise:
    """How much a sample has risen since this was made."""

    def __init__(self, name: str, **labels: str) -> None:
        self._name = name
        self._labels = labels
        self._before = self.value

    @property
    def value(self) -> float:
        return REGISTRY.get_sample_value(self._name, self._labels) or 0.0

    def __call__(self) -> float:
        return self.value - self._before


def shared_state() -> dict[tuple[str, str], float]:
    """What is looked up at a scrape, by name and label."""
    samples = [sample for family in SharedState().collect() for sample in family.samples]
    return {(sample.name, next(iter(sample.labels.values()), "")): sample.value for sample in samples}


def test_write__published__counts_change_publication_store_and_redis(cache: CacheUnderTest) -> None:
    publisher.publish_pending()
    rises = (
        Rise("configsite_changes_total", action="CREATE", channel="api"),
        Rise("configsite_publication_seconds_count", outcome="published"),
        Rise("configsite_store_call_seconds_count", kind="write", outcome="ok"),
        Rise("configsite_redis_call_seconds_count", outcome="ok"),
    )
    write(parameters={"top_levels": 3})
    assert [rise() for rise in rises] == [1, 1, 1, 1]


def test_write__redis_away__counts_as_postponed_and_shows_behind(
    own_cache: CacheUnderTest, fresh_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "REST_SECONDS", 0.0)
    publisher.publish_pending()
    postponed = Rise("configsite_publication_seconds_count", outcome="postponed")
    failed = Rise("configsite_redis_call_seconds_count", outcome="failed")
    fresh_valkey.stop()
    assert not write(parameters={"top_levels": 3}).published
    assert postponed() == 1
    assert failed() >= 1
    assert shared_state() == {
        ("configsite_refused_values", ""): 0,
        ("configsite_connected", "store"): 1,
        ("configsite_connected", "redis"): 0,
        ("configsite_sequence", "store"): 1,
        ("configsite_sequence", "relay"): 0,
    }
    fresh_valkey.start()
    assert shared_state()["configsite_sequence", "redis"] in {0, -1}
    periodic.reconcile()
    assert shared_state()["configsite_sequence", "redis"] == 1


@pytest.mark.parametrize(
    ("error", "outcome"), [(StoreUnavailableError("away"), "unavailable"), (ValueError("a rule"), "refused")]
)
def test_store_call__inside_another__is_counted_once_by_its_end(error: Exception, outcome: str) -> None:
    rise = Rise("configsite_store_call_seconds_count", kind="read", outcome=outcome)
    with pytest.raises(type(error)), transactions.store_errors(), transactions.store_errors():
        raise error
    assert rise() == 1


def _broken(*args: object, **kwargs: object) -> verification.Verification:
    return verification.Verification(
        rows=2, position=1, hash="", bad=verification.BadRow(position=2, problem="changed")
    )


@pytest.mark.parametrize(("verify", "intact"), [(verification.verify, 1), (_broken, 0)])
def test_verify_audit__by_the_clock__shows_whether_the_history_holds(
    verify: Callable[..., verification.Verification], intact: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "verify", verify)
    runs = Rise("configsite_task_runs_total", task="verify_audit", outcome="done")
    periodic.verify_audit()
    assert REGISTRY.get_sample_value("configsite_audit_intact") == intact
    assert runs() == 1


def test_task__ending_otherwise__is_counted_as_that_and_not_as_done(monkeypatch: pytest.MonkeyPatch) -> None:
    done_at = Rise("configsite_task_done_timestamp_seconds", task="rewrite")
    for error, outcome in ((StoreUnavailableError("away"), "postponed"), (ValueError("a fault"), "failed")):
        runs = Rise("configsite_task_runs_total", task="rewrite", outcome=outcome)
        monkeypatch.setattr(publisher, "rewrite_all", lambda error=error, **_: (_ for _ in ()).throw(error))
        if outcome == "failed":
            with pytest.raises(ValueError, match="a fault"):
                periodic.rewrite()
        else:
            periodic.rewrite()
        assert runs() == 1
    assert done_at() == 0
