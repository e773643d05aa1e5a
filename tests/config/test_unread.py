"""Variables that nothing reads are named, with the name that was meant or what to do instead."""

import pytest

from strategy_core.configuration.unread import OF_THE_ORIGINAL, unread_variables
from strategy_core.strategies.registry import STRATEGIES
from tests.embedded.test_env_example import listed


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ORDERBOOK_SKEW_BUY_TRESHOLD", "not read; did you mean ORDERBOOK_SKEW_BUY_THRESHOLD?"),
        ("STRATEGY_ENABLED_ICEBERG", "not read; did you mean STRATEGY_ENABLED_ICEBERG_DETECTOR?"),
        ("ORDERBOOK_SKEW_COLOUR_OF_THE_SKY_ON_SUNDAYS", "not read"),
        ("NATS_PUBLISHER_TOPIC", "not read: set NATS_TOPIC_INTENTS"),
    ],
)
def test_unread__of_a_variable_that_changes_nothing__names_what_to_do(name: str, message: str) -> None:
    assert [(each.variable, each.message) for each in unread_variables({name: "1"})] == [(name, message)]


def test_unread__of_all_that_is_read_or_somebody_elses__is_nothing() -> None:
    names = {name for strategy in STRATEGIES.values() for spec in strategy.specs() for name in spec.environment}
    names |= {strategy.enabled_variable() for strategy in STRATEGIES.values()} | listed().keys()
    assert unread_variables(dict.fromkeys(names | {"PATH", "SPREAD", "TRADING"}, "1")) == ()
    assert unread_variables({"ORDERBOOK_SKEW_BUY_TRESHOLD": " "}) == ()


def test_unread__of_the_original__is_none_that_is_read_here() -> None:
    assert OF_THE_ORIGINAL.keys() & listed().keys() == set()
