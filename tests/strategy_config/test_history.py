"""The history across strategies: filtered and paged, verified in steps, version against version."""

from datetime import timedelta

import pytest
from django.conf import settings

from strategy_config.accounts import tokens
from strategy_config.exceptions import NotFoundError
from strategy_config.history import positions, verification
from strategy_config.history.checkpoints import Checkpoint
from strategy_config.models import ChangeSequence, ConfigAudit
from strategy_config.resolution import differences
from strategy_config.selectors import explanations, history, override_list
from strategy_config.selectors.history import HistoryFilter
from strategy_core.strategies.registry import STRATEGIES
from tests.factories import NOON, OriginFactory, UserFactory
from tests.strategy_config.test_services import BTC, SKEW, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)


def three_changes() -> list[ConfigAudit]:
    write(symbol=None, parameters={"top_levels": 5})
    write(parameters={"top_levels": 6}, origin=OriginFactory(changed_by="bob", at=NOON + timedelta(hours=1)))
    write("switch", enabled=False, origin=OriginFactory(actor="carol", channel="admin", at=NOON + timedelta(hours=2)))
    return list(ConfigAudit.objects.order_by("sequence"))


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (HistoryFilter(), [3, 2, 1]),
        (HistoryFilter(strategy_id=SKEW, symbol=BTC), [3, 2]),
        (HistoryFilter(symbol=HistoryFilter.GLOBAL), [1]),
        (HistoryFilter(who="bob"), [2]),
        (HistoryFilter(who="carol"), [3]),
        (HistoryFilter(changed_by="bob"), [2]),
        (HistoryFilter(changed_by="carol"), []),
        (HistoryFilter(action="DISABLE", channel="admin"), [3]),
        (HistoryFilter(since=NOON + timedelta(hours=1), until=NOON + timedelta(hours=1)), [2]),
        (HistoryFilter(strategy_id="ticker_velocity"), []),
    ],
)
def test_page__filter__lets_through_only_that(chosen: HistoryFilter, found: list[int]) -> None:
    three_changes()
    assert [row.sequence for batch in history.batches(chosen) for row in batch] == found


@pytest.mark.parametrize("place", ["position", "sequence"])
def test_page__limit__goes_on_before_the_last(place: history.Place) -> None:
    three_changes()
    first = history.page(HistoryFilter(), limit=2, by=place)
    rest = history.page(HistoryFilter(), limit=2, before=first.next_before, by=place)
    assert ([row.sequence for row in first.rows], first.next_cursor) == ([3, 2], "2")
    assert ([row.sequence for row in rest.rows], rest.next_cursor) == ([1], None)


def test_page__by_sequence__only_rows_that_have_one() -> None:
    three_changes()
    tokens.issue_token(user=UserFactory(), name="no sequence", days=1, at=NOON)
    assert [row.sequence for row in history.page(HistoryFilter(), limit=10).rows] == [None, 3, 2, 1]
    assert [row.sequence for row in history.page(HistoryFilter(), limit=10, by="sequence").rows] == [3, 2, 1]


def test_require_strategy__known_to_nobody__is_not_found() -> None:
    history.require_strategy(SKEW)
    with pytest.raises(NotFoundError):
        history.require_strategy("nobody_knows_it")


def test_every__more_than_a_batch__all_of_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "EXPORT_BATCH", 2)
    three_changes()
    assert [row.sequence for batch in history.batches(HistoryFilter()) for row in batch] == [3, 2, 1]


def test_versions__missing__is_not_found() -> None:
    three_changes()
    assert history.versions(strategy_id=SKEW, symbol=BTC, wanted=(1,))[0].version == 2
    for symbol, wanted in ((BTC, 3), ("ETHUSDT", 1)):
        with pytest.raises(NotFoundError):
            history.versions(strategy_id=SKEW, symbol=symbol, wanted=(wanted,))


def test_verify_next__in_steps__arrives_where_verify_does() -> None:
    rows = three_changes()
    checkpoint, seen = Checkpoint(), []
    while checkpoint.position < len(rows):
        found = verification.verify_next(checkpoint, limit=2)
        assert found.bad is None
        checkpoint = Checkpoint(found.position, found.hash)
        seen.append(found.position)
    assert (seen, checkpoint.hash) == ([2, 3], verification.verify().hash)
    assert verification.verify_next(checkpoint, limit=2).rows == 0


@pytest.mark.parametrize("after", [Checkpoint(1, "0" * 64), Checkpoint(3, "0" * 64), Checkpoint(9, "0" * 64)])
def test_verify_next__checkpoint_of_another_history__is_bad(after: Checkpoint) -> None:
    three_changes()
    assert verification.verify_next(after, limit=10).bad is not None


def test_verify_next__rows_missing_at_the_end__is_bad() -> None:
    three_changes()
    ChangeSequence.objects.update(position=4)
    assert verification.verify_next(Checkpoint(), limit=10).bad is not None


def test_own_differences__numbers__say_how_far_within_the_range() -> None:
    changes = differences.own_differences(
        STRATEGIES[SKEW], {"buy_threshold": 1.2}, {"buy_threshold": 1.5, "top_levels": 7}
    )
    assert [(each.parameter, each.old, each.new, each.percent_of_range) for each in changes] == [
        ("buy_threshold", 1.2, 1.5, 15.0),
        ("top_levels", None, 7, None),
    ]


def test_explain__expired_layer__no_longer_counts() -> None:
    write(parameters={"top_levels": 7}, expires_at=NOON + timedelta(hours=1))
    later = NOON + timedelta(hours=2)
    assert explanations.explain(strategy_id=SKEW, symbol=BTC, at=NOON).values[0].source == "symbol"
    assert explanations.explain(strategy_id=SKEW, symbol=BTC, at=later).values[0].source == "default"
    assert [override_list.override_page(at=at, size=10).page.paginator.count for at in (NOON, later)] == [1, 0]
    assert (override_list.overridden_symbols(NOON), override_list.overridden_symbols(later)) == ([BTC], [])
    assert positions.last_sequence() == 1
