"""Verify the history."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.history import checkpoints, integrity
from strategy_config.history.checkpoints import Checkpoint
from strategy_config.history.verification import Verification


class Command(BaseCommand):
    """Exit code 0: the history verifies; 1: it does not (the first bad row is named); 2: no database."""

    help = (
        "Verify the chain of audit rows, that the live layers are what the last rows say, and that the rows are still "
        "those of the checkpoints kept in Redis. Keep the printed checkpoint (position and hash) elsewhere, too: "
        "--against it shows later that the history up to there is still the same."
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
            help="Start at this position instead of the first row.",
        )
        parser.add_argument(
            "--against",
            action="append",
            default=[],
            metavar="CHECKPOINT|FILE",
            help='Compare with a checkpoint ("POSITION HASH"), or with all those in a file: what this command has '
            "printed, or a log with the lines audit.verified. May be given several times.",
        )
        parser.add_argument(
            "--without-redis",
            action="store_true",
            help="Check the database only: for a copy, which Redis does not know.",
        )
        parser.add_argument(
            "--forget-checkpoints",
            action="store_true",
            help="First forget the checkpoints in Redis: after a restore, when the restored database takes over.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, with a progress bar on a terminal."""
        against = [checkpoint for given in options["against"] for checkpoint in _read(given)]
        if options["forget_checkpoints"] and not integrity.forget_checkpoints():
            raise CommandError(
                "Redis is unreachable: no checkpoint was forgotten, and nothing was verified.", returncode=2
            )
        with tqdm(unit=" rows", disable=None if self.stderr.isatty() else True) as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            try:
                found = integrity.check(
                    options["from_position"],
                    against=against,
                    is_redis_asked=not options["without_redis"],
                    progress=progress,
                )
            except StoreUnavailableError as exception:
                raise CommandError(f"Not verified: {exception}", returncode=2) from exception
        self._report(found, is_json=options["json"])

    def _report(self, found: Verification, *, is_json: bool) -> None:
        bad = None if found.bad is None else {"position": found.bad.position, "problem": found.bad.problem}
        if is_json:
            checkpoint = {"position": found.position, "hash": found.hash}
            counts = {"rows": found.rows, "redacted": found.redacted}
            self.stdout.write(json.dumps({"ok": bad is None, **counts, "checkpoint": checkpoint, "bad": bad}))
        else:
            self.stdout.write(f"verified up to {found.position} ({found.rows} rows)")
            if found.redacted:
                self.stdout.write(f"redacted: {found.redacted} rows verify with their texts removed")
            self.stdout.write(f"checkpoint: {found.position} {found.hash}")
        if found.bad is not None:
            raise CommandError(f"bad row: {found.bad.position}: {found.bad.problem}", returncode=1)


def _read(given: str) -> list[Checkpoint]:
    """The checkpoints of an argument: the argument itself, or the content of that file."""
    found = checkpoints.parse(given)
    if not found:
        try:
            found = checkpoints.parse(Path(given).read_text(encoding="utf-8", errors="replace"))
        except (OSError, ValueError) as exception:
            message = f"--against {given}: neither a checkpoint (POSITION HASH) nor a readable file: {exception}"
            raise CommandError(message, returncode=2) from exception
    if not found:
        raise CommandError(f"--against {given}: the file holds no checkpoint (POSITION HASH).", returncode=2)
    return found
