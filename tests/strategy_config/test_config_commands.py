"""export_config and import_config: what they print, and their exit codes."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from strategy_config.history import positions
from strategy_config.models import ConfigAudit
from tests.strategy_config.test_services import SKEW, own, write

pytestmark = pytest.mark.django_db(transaction=settings.IS_ON_MONGODB)
GOOD = "strategies: {orderbook_skew: {parameters: {top_levels: 10}}}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(GOOD)
    return path


def test_export_config__then_import__is_the_same_again(tmp_path: Path, capsys: Any) -> None:
    write(symbol=None, parameters={"top_levels": 10})
    path = tmp_path / "all.yaml"
    call_command("export_config", output=path)
    call_command("import_config", str(path), plan=True)
    assert "0 to change, 8 unchanged, 0 refused" in capsys.readouterr().out


def test_export_config__unknown_strategy__says_what_there_is() -> None:
    with pytest.raises(CommandError, match="There are: orderbook_skew"):
        call_command("export_config", strategy=["nonsense"])


def test_import_config__plan__prints_it_and_changes_nothing(file: Path, capsys: Any) -> None:
    call_command("import_config", str(file), plan=True)
    printed = capsys.readouterr().out
    assert "create  orderbook_skew global: top_levels not set → 10" in printed
    assert positions.last_sequence() == 0


def test_import_config__apply__is_on_record(file: Path, capsys: Any) -> None:
    call_command("import_config", str(file), apply=True, reason="release 42", changed_by="ci", json=True)
    report = json.loads(capsys.readouterr().out)
    assert (report["applied"], report["changes"][0]["action"]) == (True, "CREATE")
    row = ConfigAudit.objects.get()
    assert (row.changed_by, row.actor, row.channel, row.reason) == ("ci", "import_config", "import", "release 42")


def test_import_config__standard_input__is_read(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode())))
    call_command("import_config", "-", apply=True, reason="why")
    assert own(None) == {"top_levels": 10}


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        (GOOD.replace("10", "99"), {"plan": True}, 1),
        (GOOD.replace("10", "99"), {"apply": True, "reason": "why"}, 1),
        ("strategies: [", {"plan": True}, 2),
        (GOOD, {"apply": True}, 2),
        (None, {"plan": True}, 2),
    ],
)
def test_import_config__refused__tells_by_its_exit_code(
    tmp_path: Path, text: str | None, options: dict[str, Any], code: int
) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CommandError) as refusal:
        call_command("import_config", str(path), **options)
    assert refusal.value.returncode == code
    assert positions.last_sequence() == 0


def test_import_config__as_a_process__no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "import_config", str(tmp_path / "missing.yaml"), "--plan"],
        cwd=Path(__file__).resolve().parent.parent.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
    assert SKEW not in done.stdout
