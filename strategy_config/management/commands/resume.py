"""End halts from the command line."""

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from strategy_config.exceptions import ConfigError
from strategy_config.history import halt_rows
from strategy_config.history.origins import Origin
from strategy_config.selectors import known_halts
from strategy_config.services import halts

ACTOR = "resume"


class Command(BaseCommand):
    """Exit code 0: resumed, or listed; 1: nothing was changed."""

    help = (
        "List the halts in force, or end exactly those whose ids are given. "
        "Examples: resume    resume 3f0c… --reason 'feed is back'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "id", nargs="*", help="The ids of the halts to end; without any, the halts in force are listed."
        )
        parser.add_argument("--reason", default="", help="The reason; kept in the history.")
        parser.add_argument("--changed-by", metavar="NAME", help="Who does this (default: the system user).")
        parser.add_argument(
            "--restore",
            action="store_true",
            help="Also switch on again what the halts switched off for runtimes of a version without halts.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """List or resume."""
        try:
            if not options["id"]:
                self._list()
                return
            resumed = halts.resume(
                ids=options["id"],
                origin=Origin(
                    changed_by=options["changed_by"] or getpass.getuser(),
                    actor=ACTOR,
                    channel="command",
                    request_id="",
                    at=timezone.now(),
                    reason=options["reason"],
                ),
                restore=options["restore"],
            )
        except ConfigError as refusal:
            raise CommandError(refusal.message) from None
        for row in resumed.ended:
            self.stdout.write(f"Resumed: {halt_rows.scope_of(row)} ({row.id})")
        for row in resumed.remaining:
            self.stderr.write(f"Still halted: {halt_rows.scope_of(row)} ({row.id})")
        for name in resumed.still_off:
            self.stderr.write(f"Still switched off: {name}")

    def _list(self) -> None:
        for row in known_halts.open_halts():
            what = halt_rows.scope_of(row)
            self.stdout.write(f"{row.id}  {what}  by {row.by} at {row.at.isoformat()}  {row.reason}")
