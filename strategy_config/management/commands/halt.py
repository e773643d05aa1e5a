"""Stop trading from the command line."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from strategy_config.exceptions import ConfigError
from strategy_config.history import halt_rows
from strategy_config.history.origins import Origin
from strategy_config.services import halts
from strategy_core.configuration.halts import Scope

ACTOR = "halt"


class Command(BaseCommand):
    """Exit code 0: halted; 1: the halt could not be stored or announced."""

    help = (
        "Halt everything, a strategy, a symbol, or a strategy on a symbol, until `resume` ends exactly that halt. "
        "Works while the database is down, as long as Redis or NATS is up. "
        "Examples: halt --reason 'exchange down'    halt --symbol BTCUSDT    halt --strategy orderbook_skew"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--strategy", metavar="ID", help="Only this strategy.")
        parser.add_argument("--symbol", help="Only this symbol.")
        parser.add_argument("--reason", default="", help="The reason; kept in the history.")
        parser.add_argument("--changed-by", metavar="NAME", help="Who does this (default: the system user).")

    def handle(self, *args: Any, **options: Any) -> None:
        """Halt."""
        origin = Origin(
            changed_by=options["changed_by"] or getpass.getuser(),
            actor=ACTOR,
            channel="command",
            request_id="",
            at=timezone.now(),
            reason=options["reason"],
        )
        try:
            halted = halts.halt(scope=Scope(strategy_id=options["strategy"], symbol=options["symbol"]), origin=origin)
        except ConfigError as refusal:
            raise CommandError(refusal.message) from None
        self.stdout.write(f"Halted: {halt_rows.scope_of(halted.halt)}. Resume with: resume {halted.halt.id}")
        if halted.sequence is None:
            told = " and ".join(halted.told_over)
            self.stderr.write(
                f"The database is down: announced over {told}; it will be stored when the database is back."
            )
        elif not halted.published:
            self.stderr.write(
                "Stored, but not yet published: Redis is unreachable. Halt the runtimes directly (POST /halt)."
            )
