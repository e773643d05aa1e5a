"""Variables of the environment: typed, or refused by name, all at once."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import BeforeValidator, Field

from configsite.env import ProductionEnvironment, SiteEnvironment
from realtime_runtime.settings import Settings
from service_kit import environment
from service_kit.environment import Environment, SettingsError, Switch, whole_number
from strategy_core.configuration import environment_layer
from strategy_core.strategies.registry import STRATEGIES

PARSERS: list[tuple[Callable[[str], Any], str, Any]] = [
    (environment.switch, "YES", True),
    (environment.switch, "off", False),
    (environment.switch, "maybe", "must be true or false, not 'maybe'"),
    (environment.whole_number(1), "7", 7),
    (environment.whole_number(1), "0", "of at least 1, not '0'"),
    (environment.whole_number(0, 0), "0", 0),
    (environment.whole_number(0, 0), "1", "between 0 and 0, not '1'"),
    (environment.whole_number(1), "1.5", "must be a whole number"),
    (environment.whole_number(1), "²", "must be a whole number"),
    (environment.number_between(0, 1), "nan", "must be a number between 0 and 1"),
    (environment.number_between(0, 1), "1e-1", 0.1),
    (environment.one_of("json", "console"), "JSON", "json"),
    (environment.one_of("json", "console"), "xml", "must be json or console, not 'xml'"),
    (environment.one_of("a", "b", "c"), "d", "must be one of a, b, c, not 'd'"),
    (environment.items, " a, ,b ", ("a", "b")),
    (environment.some_of("a", "b"), "B,a", ("a", "b")),
    (environment.some_of("a", "b"), "c", "must be some of a, b"),
    (environment.some_of("a", "b"), ",", "must be some of a, b"),
    (environment.consumer_topic, "a.b.>", "a.b.>"),
    (environment.consumer_topic, "a.*", "must be a NATS subject"),
    (environment.readable_file, "/no/such/file", "must be a file that this process can read"),
]


class Variables(Environment):
    """Some variables for these tests."""

    is_on: Switch = Field(False, validation_alias="IS_ON")
    secret: str = Field(validation_alias="SECRET", repr=False)
    number: Annotated[int, BeforeValidator(whole_number(1, 9))] = Field(1, validation_alias="NUMBER")
    double: int = Field(default_factory=lambda data: 2 * data["number"], validation_alias="DOUBLE")
    other: str = "from the code"


@pytest.mark.parametrize(("parse", "text", "expected"), PARSERS)
def test_parser__of_a_text__gives_the_value_or_says_what_is_wrong(
    parse: Callable[[str], Any], text: str, expected: Any
) -> None:
    try:
        assert parse(text) == expected
    except ValueError as error:
        assert str(expected) in str(error)  # noqa: PT017  (one table of both outcomes)


def test_from_environ__empty_and_unknown_variables__count_as_not_set() -> None:
    read = Variables.from_environ({"SECRET": " x ", "IS_ON": " ", "NUMBER": "", "UNKNOWN": "?", "other": "y"})
    assert (read.secret, read.is_on, read.number, read.double, read.other) == ("x", False, 1, 2, "from the code")


def test_from_environ__several_unusable__all_are_named_and_no_value_of_a_secret_is_shown() -> None:
    with pytest.raises(SettingsError) as raised:
        Variables.from_environ({"IS_ON": "maybe", "NUMBER": "10"})
    assert raised.value.problems == {
        "IS_ON": "must be true or false, not 'maybe'",
        "SECRET": "must be set",
        "NUMBER": "must be a whole number between 1 and 9, not '10'",
    }
    assert "hunter2" not in repr(Variables.from_environ({"SECRET": "hunter2"}))


def test_switch__of_a_strategy__knows_the_same_words() -> None:
    strategy = STRATEGIES["orderbook_skew"]
    for word, value in environment.SWITCH_WORDS.items():
        layer = environment_layer.read_environment(strategy, {strategy.enabled_variable(): word.upper()})
        assert (layer.enabled, layer.problems) == (value, ())


@pytest.mark.parametrize("variables", [Settings, SiteEnvironment, ProductionEnvironment])
def test_variables__that_may_hold_a_password__are_never_shown(variables: type[Environment]) -> None:
    telling = ("_URL", "_URLS", "_URI", "SECRET", "_KEY")
    for name, field in variables.model_fields.items():
        alias = str(field.validation_alias)
        if alias.endswith(telling) and not alias.startswith("REDIS_KEY"):
            assert not field.repr, name
