"""List the stored values and variables that do not fit this version of the code."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from strategy_config.exceptions import StoreUnavailableError
from strategy_config.selectors import misfits


class Command(BaseCommand):
    """Exit code 0: everything fits; 1: something does not; 2: no database."""

    help = (
        "List the stored values, strategies and variables that do not fit this version of the code: before an upgrade, "
        "run it with the new image on the database. Changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check everything and print what does not fit."""
        try:
            found = misfits.find(timezone.now())
        except StoreUnavailableError as exception:
            raise CommandError(f"Not checked: {exception}", returncode=2) from exception
        self.stdout.write(json.dumps(_report(found)) if options["json"] else "\n".join(_lines(found)))
        if not found.is_empty:
            raise CommandError("Something does not fit this version of the code.", returncode=1)


def _report(found: misfits.Misfits) -> dict[str, Any]:
    return {
        "ok": found.is_empty,
        "refused": [
            {**layer.key._asdict(), **asdict(each), "in_force": layer.in_force[each.parameter]}
            for layer in found.layers
            for each in layer.refused
        ],
        "removed_strategies": list(found.removed_strategies),
        "environment": [{"strategy_id": each, **asdict(problem)} for each, problem in found.environment],
    }


def _lines(found: misfits.Misfits) -> list[str]:
    lines = [
        f"{layer.key}: {each.message} The {each.layer} value is {each.value!r}; in force: "
        f"{layer.in_force[each.parameter]!r}."
        for layer in found.layers
        for each in layer.refused
    ]
    lines += [f"{each}: not in this version of the code; its rows are kept." for each in found.removed_strategies]
    lines += [f"{each}: {problem.variable}: {problem.message}" for each, problem in found.environment]
    return lines or ["Everything fits this version of the code."]
