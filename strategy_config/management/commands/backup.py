"""Write the whole store to a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.transfer import backup


class Command(BaseCommand):
    """Prints the checkpoint of the history that the file holds. Exit code 1 where there is no file."""

    help = (
        "Write configurations, history, users, groups and tokens to one file, as they are at one moment, while the "
        "site goes on. The same file can be restored into any store. Sessions and the admin's own log are left out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", type=Path, help="Written anew, readable by its owner only.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        try:
            summary = backup.write(options["file"])
        except (StoreUnavailableError, OSError) as exception:
            raise CommandError(f"No backup was made: {exception}") from exception
        self.stdout.write(f"{summary.rows} rows written to {options['file']}")
        self.stdout.write(f"checkpoint: {summary.position} {summary.hash}")
