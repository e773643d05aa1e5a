"""Many writers at once, as real processes on a store of their own: nothing lost, nothing twice, in order."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.servers import Valkey
from tests.live_site import LiveSite
from tests.site_store import SiteStore
from tests.strategy_config.conftest import look_into

WRITERS = (13, 13, 12, 12)
ROOT = Path(__file__).resolve().parent.parent.parent
# Asked in a process of its own: the store of this test is not the one of the test run.
LOOK = """
import json, django
django.setup()
from strategy_config.history import verification
from strategy_config.models import ConfigAudit, SymbolOverride
# Rows of tokens and of halts have no version.
rows = ConfigAudit.objects.exclude(version=None).order_by("sequence")
print(json.dumps({
    "versions": list(rows.values_list("version", flat=True)),
    "sequences": list(rows.values_list("sequence", flat=True)),
    "version": SymbolOverride.objects.get().version,
    "parameters": [SymbolOverride.objects.get().parameters, rows.last().new_parameters],
    "bad": verification.verify().bad is not None,
}))
"""


@pytest.fixture
def environment(prepared_site: LiveSite, tmp_path: Path, valkey: Valkey, redis_prefix: str) -> dict[str, str]:
    store = SiteStore(tmp_path)
    store.copy(prepared_site.store)
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "configsite.settings.base",
        "SECRET_KEY": "of this test",
        "REDIS_URL": valkey.url,
        "REDIS_KEY_PREFIX": redis_prefix,
        **store.environment,
    }


def test_set_layer__fifty_writers_in_four_processes__loses_nothing(
    environment: dict[str, str], valkey: Valkey, redis_prefix: str
) -> None:
    command = [sys.executable, "-m", "tests.strategy_config.writer", "BTCUSDT"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [
        subprocess.Popen([*command, str(count)], cwd=ROOT, env=environment, text=True, **pipes) for count in WRITERS
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answered = [version for process in processes for version in json.loads(process.communicate(timeout=110)[0])]
    look = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    found = json.loads(look.stdout)
    total = sum(WRITERS)
    assert sorted(answered) == found["versions"] == found["sequences"] == list(range(1, total + 1))
    assert (found["version"], found["bad"]) == (total, False)
    assert found["parameters"][0] == found["parameters"][1]
    cache = look_into(valkey, redis_prefix)
    assert cache.sequence() == total
    assert cache.document("orderbook_skew:BTCUSDT").symbol_version == total
    published = cache.published()
    assert published == sorted(set(published))
    assert published[-1] == total
