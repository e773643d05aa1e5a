"""Write the configuration as YAML."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from strategy_config.exceptions import ConfigError
from strategy_config.services import imports


class Command(BaseCommand):
    """Prints the file, or writes it to ``--output``."""

    help = (
        "Write the layers of all strategies, or of some, as one YAML file that import_config reads. "
        "Example: export_config --strategy orderbook_skew > skew.yaml"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--strategy", action="append", default=[], metavar="ID", help="Only this strategy (repeatable)."
        )
        parser.add_argument(
            "--symbol", action="append", default=[], help="Only the overrides of this symbol (repeatable)."
        )
        parser.add_argument(
            "--output", type=Path, metavar="FILE", help="Write to this file instead of standard output."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Read and write."""
        try:
            text = imports.export_configuration(
                at=timezone.now(), strategy_ids=options["strategy"], symbols=options["symbol"]
            )
        except ConfigError as exception:
            raise CommandError(exception.message) from None
        if options["output"] is None:
            self.stdout.write(text, ending="")
            return
        try:
            options["output"].write_text(text, encoding="utf-8")
        except OSError as exception:
            raise CommandError(f"{options['output']} cannot be written: {exception.strerror}.") from None
        self.stderr.write(f"Written to {options['output']}.")
