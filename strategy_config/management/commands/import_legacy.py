"""Import configurations and history of the service that this one replaces."""

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from service_kit.names import listed
from strategy_config.exceptions import ConfigError
from strategy_config.transfer import legacy_import, legacy_source

TIMEOUT_MS = 10_000


class Command(BaseCommand):
    """Exit code 0: everything of known strategies was read; 1: something was left out, which is then listed."""

    help = (
        "Read strategy_configs_global, strategy_configs_symbol and strategy_config_audit of the original service and "
        "import what this database does not have yet, with versions and history. Documents of strategies that are "
        "not in the code (another service may share the database) are counted and skipped. "
        "The source is LEGACY_MONGODB_URI (else MONGODB_URI); nothing is changed there."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        mode = parser.add_mutually_exclusive_group(required=True)
        mode.add_argument("--dry-run", action="store_true", help="Show what would be imported, without importing it.")
        mode.add_argument("--apply", action="store_true", help="Import it, all of it in one transaction.")
        parser.add_argument(
            "--source-database", required=True, metavar="NAME", help="Database of the original service."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, plan, report; write with --apply."""
        plan = legacy_import.make_plan(self._read(options["source_database"]))
        is_published = None
        if options["apply"] and plan.layers:
            try:
                is_published = legacy_import.apply(plan)
            except (ConfigError, RuntimeError) as exception:
                raise CommandError(str(exception)) from exception
        self._report(plan, is_applied=options["apply"], is_published=is_published, as_json=options["json"])
        if plan.problems:
            raise CommandError(f"{len(plan.problems)} left out, as listed above", returncode=1)

    def _read(self, name: str) -> legacy_source.LegacyData:
        variable = "LEGACY_MONGODB_URI" if settings.LEGACY_MONGODB_URI else "MONGODB_URI"
        uri = settings.LEGACY_MONGODB_URI or settings.MONGODB_URI
        if not uri:
            raise CommandError("Set LEGACY_MONGODB_URI to the connection string of the original service's MongoDB.")
        try:
            with MongoClient[dict[str, Any]](
                uri, tz_aware=True, timeoutMS=TIMEOUT_MS, serverSelectionTimeoutMS=TIMEOUT_MS
            ) as client:
                self._refuse_own_database(client, name)
                return legacy_source.read(client[name])
        except (PyMongoError, ValueError) as exception:
            # The driver's message may quote the connection string.
            raise CommandError(f"{variable}: the source cannot be read ({type(exception).__name__}).") from exception

    def _refuse_own_database(self, client: MongoClient[dict[str, Any]], name: str) -> None:
        """Both services call their history strategy_config_audit: they cannot share a database."""
        if connection.vendor != "mongodb" or connection.settings_dict["NAME"] != name:
            return
        connection.ensure_connection()
        if connection.connection.primary == client.primary:
            raise CommandError(
                f"{name} is this service's own database. Give it another one (MONGODB_DATABASE), then import."
            )

    def _report(self, plan: legacy_import.Plan, *, is_applied: bool, is_published: bool | None, as_json: bool) -> None:
        changes = legacy_import.counted(plan.layers)
        if as_json:
            rows = [
                {"layer": layer.name, "version": layer.history[-1].version, "notes": layer.notes}
                for layer in plan.layers
            ]
            report: dict[str, Any] = {"applied": is_applied, "published": is_published, "changes": changes}
            report |= {"layers": rows, "problems": plan.problems, "foreign": dict(plan.foreign)}
            self.stdout.write(json.dumps(report))
            return
        for layer in plan.layers:
            note = f" ({'; '.join(layer.notes)})" if layer.notes else ""
            state = "no layer" if layer.parameters is None else f"{len(layer.parameters)} parameters"
            self.stdout.write(f"{layer.name}: version {layer.history[-1].version}, {state}{note}")
        for problem in plan.problems:
            self.stderr.write(problem)
        if plan.foreign:
            self.stdout.write(_passed_over(plan.foreign))
        verb = "taken over" if is_applied else "would be taken over"
        self.stdout.write(f"{len(plan.layers)} layers with {changes} changes {verb}")
        if is_published is False:
            self.stdout.write("Redis could not be told yet; it will be as soon as it is back.")


def _passed_over(foreign: Mapping[str, int]) -> str:
    names = sorted(foreign)
    counted = "1 strategy" if len(names) == 1 else f"{len(names)} strategies"
    return f"Passed over: {sum(foreign.values())} documents of {counted} not in the code ({listed(names)})"
