"""A database that the original shares with the TA bot: both name their collections alike."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pymongo
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from strategy_config.selectors import stored_layers

pytestmark = pytest.mark.django_db(transaction=True)
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
OURS, FOREIGN = "orderbook_skew", "rsi_extreme_reversal"


@pytest.fixture
def shared(mongodb_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a database with a layer, an override and a history of each service."""
    monkeypatch.setattr(settings, "LEGACY_MONGODB_URI", mongodb_uri)
    name = f"petrosa_{uuid.uuid4().hex[:8]}"
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        database = client[name]
        for strategy_id, parameters in ((OURS, {"top_levels": 8}), (FOREIGN, {"rsi_period": 14})):
            stored = {"parameters": parameters, "version": 1, "created_at": CREATED, "updated_at": CREATED}
            metadata = {"created_by": "admin"}
            database.strategy_configs_global.insert_one({"strategy_id": strategy_id, **stored, "metadata": metadata})
            override = {"strategy_id": strategy_id, "symbol": "BTCUSDT", **stored, "metadata": metadata}
            database.strategy_configs_symbol.insert_one(override)
            database.strategy_config_audit.insert_one(
                {
                    "strategy_id": strategy_id,
                    "symbol": None,
                    "action": "CREATE",
                    "old_parameters": None,
                    "new_parameters": {**parameters, "version": 1},
                    "changed_by": "admin",
                    "changed_at": CREATED,
                    "reason": None,
                }
            )
        yield name
        client.drop_database(name)


def test_import__from_a_shared_database__takes_ours_and_passes_the_others_over_in_one_line(shared: str) -> None:
    output, errors = StringIO(), StringIO()
    try:
        call_command("import_legacy", "--apply", "--source-database", shared, stdout=output, stderr=errors)
    except CommandError as failure:
        pytest.fail(f"exit code {failure.returncode}: {failure}")
    assert errors.getvalue() == ""
    assert [line for line in output.getvalue().splitlines() if FOREIGN in line] == [
        f"Passed over: 3 documents of 1 strategy not in the code ({FOREIGN})"
    ]
    config = stored_layers.layer_config(strategy_id=OURS, symbol="BTCUSDT", at=datetime.now(UTC))
    assert config.parameters["top_levels"] == 8
