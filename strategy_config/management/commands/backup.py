"""Write the whole database to a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.transfer import backup


class Command(BaseCommand):
    """Prints the checkpoint of the history in the file. Exit code 1 if no file was written."""

    help = (
        "Write configurations, history, users, groups and tokens to one file, as of one moment, while the "
        "site keeps running. The file can be restored into any database. Sessions and the admin's own log are left out."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "file", type=Path, help="The file to write; replaced if it exists, readable by its owner only."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        try:
            summary = backup.write(options["file"])
        except (StoreUnavailableError, OSError) as exception:
            raise CommandError(f"No backup was made: {exception}") from exception
        self.stdout.write(f"{summary.rows} rows written to {options['file']}")
        self.stdout.write(f"checkpoint: {summary.position} {summary.hash}")
