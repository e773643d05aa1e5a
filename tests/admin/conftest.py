"""Clients of each group, and a store of the size that the pages must stay quick at."""

from collections.abc import Callable

import pytest
from django.test import Client

import tests.crowded_store
from tests.factories import UserFactory
from tests.strategy_config.conftest import cache, own_cache

__all__ = ["cache", "own_cache"]


@pytest.fixture
def login(db: None) -> Callable[[str], Client]:
    """A client that is logged in as a member of the group."""

    def client(group: str) -> Client:
        user = UserFactory(username=group, groups=(group,), is_staff=True)
        found = Client()
        found.force_login(user)
        return found

    return client


@pytest.fixture
def crowded_store(db: None) -> None:
    """1,000 overrides and a long history, as ``tests.crowded_store`` says."""
    tests.crowded_store.fill()
