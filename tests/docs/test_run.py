"""The blocks marked `sh run` do what the documents say, on a running site."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pymongo
import pytest

from tests.conftest import PROJECT_ROOT
from tests.docs.blocks import script
from tests.live_site import LiveSite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def legacy(mongodb_uri: str) -> Iterator[dict[str, str]]:
    """The original service's database, with one layer; the variables that name it."""
    at = datetime(2025, 3, 1, 8, tzinfo=UTC)
    layer = {"strategy_id": "spread_liquidity", "parameters": {"lookback_ticks": 30}, "version": 1, "created_at": at}
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        database = client[f"original_{uuid.uuid4().hex[:8]}"]
        database["strategy_configs_global"].insert_one({**layer, "updated_at": at})
        yield {"LEGACY_MONGODB_URI": mongodb_uri, "LEGACY_DATABASE": database.name}
        client.drop_database(database.name)


def execute(document: str, site: LiveSite, directory: Path, **variables: str) -> str:
    """Run the document's script as an operator of the site would; what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {"SITE": site.url, "TOKEN": site.token, "BACKUPS": str(directory / "backups"), "PATH": path}
    done = subprocess.run(
        ["/bin/bash", "-c", script(document)],
        env={**site.environment, **own, **variables},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_operations__as_written__back_up_restore_and_roll_back(
    live_site: Callable[..., LiveSite], tmp_path: Path
) -> None:
    site = live_site()
    site.post(
        "/api/v1/strategies/iceberg_detector/config", {"parameters": {"min_refill_count": 4}, "changed_by": "ann"}
    )
    said = execute("docs/OPERATIONS.md", site, tmp_path)
    checkpoints = [line for line in said.splitlines() if line.startswith("checkpoint: ")][:5]
    # backup, verify_audit, restore, verify_audit of what was restored, verify_audit that forgets the checkpoints before
    assert len(checkpoints) == 5
    assert len(set(checkpoints)) == 1
    position = checkpoints[0].split(" ")[1]
    assert f"restored and verified up to {position} ({position} rows)" in said
    rows = site.get("/api/v1/strategies/orderbook_skew/audit?symbol=BTCUSDT").json()["data"]
    assert [row["action"] for row in rows] == ["ENABLE", "DISABLE", "ROLLBACK", "CREATE"]
    assert rows[1]["new_parameters"] is None


def test_migration__as_written__takes_the_original_over_and_goes_back_to_the_variables(
    live_site: Callable[..., LiveSite], tmp_path: Path, legacy: dict[str, str]
) -> None:
    site = live_site(environment={"ORDERBOOK_SKEW_TOP_LEVELS": "7"})
    said = execute("docs/MIGRATION.md", site, tmp_path, **legacy)
    assert "1 layers with 1 changes would be taken over" in said
    assert "1 layers with 1 changes taken over" in said
    layer = site.get("/api/v1/strategies/spread_liquidity/config").json()["data"]
    assert (layer["parameters"]["lookback_ticks"], layer["version"]) == (30, 1)
    layer = site.get("/api/v1/strategies/orderbook_skew/config").json()["data"]
    assert (layer["sources"]["top_levels"], layer["version"]) == ("environment", 2)
