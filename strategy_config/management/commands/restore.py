"""Fill an empty database from a file of `backup`."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.transfer import backup


class Command(BaseCommand):
    """Exit code 0: everything was restored and the history verifies; 1: not."""

    help = (
        "Write the rows of a backup into an unused database that `migrate` has created, and verify the history. "
        "Stop web and worker before; run `reconcile` afterwards, which updates Redis and the runtimes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", type=Path, help="A file of `backup`.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore, verify, report."""
        try:
            found = backup.restore(options["file"])
        except (backup.BackupError, StoreUnavailableError, OSError) as exception:
            raise CommandError(f"Not restored: {exception}") from exception
        self.stdout.write(f"restored and verified up to {found.position} ({found.rows} rows)")
        self.stdout.write(f"checkpoint: {found.position} {found.hash}")
        if found.bad is not None:
            raise CommandError(f"bad row: {found.bad.position}: {found.bad.problem}")
