"""A template shows nothing where a member that it asks for is gone. These pages ask for none that is."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.template import VariableDoesNotExist
from django.test import Client

from strategy_config.services import halts
from strategy_core.configuration.halts import Scope
from tests.console_pages import PAGES
from tests.factories import OriginFactory
from tests.strategy_config.conftest import CacheUnderTest
from tests.strategy_config.test_services import SKEW, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
SYMBOL = "SYM0000USDT"
LAYER = f"/admin/strategies/{SKEW}"
OURS = ("strategy_", "django.forms")
OF_THE_THEME = {"list_sections"}
MORE = (f"{LAYER}/versions/", f"{LAYER}/rollback/?version=1", "/admin/halts/", "/admin/transfer/")


def missing(records: list[logging.LogRecord]) -> set[str]:
    """The members of objects that were asked for in vain. A context or a dict may lack what a template asks for."""
    found = set()
    for record in records:
        error: Any = record.exc_info[1] if record.exc_info else None
        if isinstance(error, VariableDoesNotExist) and len(error.params) == 2:
            name, container = error.params
            if type(container).__module__.startswith(OURS) and name not in OF_THE_THEME:
                found.add(f"{type(container).__name__}.{name}")
    return found


@contextmanager
def all_records() -> Iterator[list[logging.LogRecord]]:
    """What Django's templates tell at debug, kept from every log: it is thousands of records."""
    logger, records = logging.getLogger("django.template"), list[logging.LogRecord]()

    def keep(record: logging.LogRecord) -> bool:
        records.append(record)
        return False

    level = logger.level
    logger.addFilter(keep)
    logger.setLevel(logging.DEBUG)
    try:
        yield records
    finally:
        logger.setLevel(level)
        logger.removeFilter(keep)


def test_pages__of_layers_with_values__ask_for_no_member_that_is_gone(
    login: Callable[[str], Client], cache: CacheUnderTest
) -> None:
    write(symbol=None, parameters={"top_levels": 7})
    write(symbol=SYMBOL, parameters={"top_levels": 8})
    halts.halt(scope=Scope(symbol="ETHUSDT"), origin=OriginFactory())
    client = login("admin")
    with all_records() as records:
        for path in (*PAGES.values(), *MORE):
            client.get(path)
    assert records
    assert missing(records) == set()
    assert "1 own value of 9" in " ".join(client.get(f"{LAYER}/symbols/{SYMBOL}/").content.decode().split())
