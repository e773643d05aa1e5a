"""Walk the history and say whether it holds."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from strategy_config import audit
from strategy_config.exceptions import StoreUnavailableError


class Command(BaseCommand):
    """Exit code 0 where the history holds, 1 where it does not (then the first bad row is named), 2: no store."""

    help = (
        "Verify the chain of audit rows. Keep the printed checkpoint (position and hash) elsewhere: it shows later "
        "that the history up to there is still the same."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")
        parser.add_argument(
            "--from-position",
            "--from-sequence",
            type=int,
            default=0,
            metavar="N",
            help="Begin at this position instead of at the first row.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, with a progress bar on a terminal."""
        with tqdm(unit=" rows", disable=None if self.stderr.isatty() else True) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            try:
                found = audit.verify(options["from_position"], progress=progress)
            except StoreUnavailableError as exception:
                raise CommandError(f"Not verified: {exception}", returncode=2) from exception
        bad = None if found.bad is None else {"position": found.bad.position, "problem": found.bad.problem}
        if options["json"]:
            checkpoint = {"position": found.position, "hash": found.hash}
            report = {
                "ok": bad is None,
                "rows": found.rows,
                "redacted": found.redacted,
                "checkpoint": checkpoint,
                "bad": bad,
            }
            self.stdout.write(json.dumps(report))
        else:
            self.stdout.write(f"verified up to {found.position} ({found.rows} rows)")
            if found.redacted:
                self.stdout.write(f"redacted: {found.redacted} rows hold with texts taken out")
            self.stdout.write(f"checkpoint: {found.position} {found.hash}")
        if found.bad is not None:
            raise CommandError(f"bad row: {found.bad.position}: {found.bad.problem}", returncode=1)
