"""Plan or apply a configuration file."""

import getpass
import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from strategy_config.admin import wording
from strategy_config.exceptions import ConfigError, InvalidRequestError
from strategy_config.history.origins import Origin
from strategy_config.services import imports, yaml_file
from strategy_config.services.import_plan import ImportRefusedError, Plan

ACTOR = "import_config"
REFUSED, UNUSABLE, FAILED = 1, 2, 3


class Command(BaseCommand):
    """Exit code 0: planned or applied; 1: something is refused; 2: no usable file; 3: the database failed. With 1, 2
    and 3 nothing was changed."""

    help = (
        "Compare a file of export_config with the database (--plan), or apply it (--apply): all of it in "
        "one transaction, or nothing. Layers and parameters that the file omits stay as they are, except with --prune. "
        "Examples: import_config skew.yaml --plan    import_config - --apply --reason 'release 42' < skew.yaml"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", help="The YAML file; - is standard input.")
        mode = parser.add_mutually_exclusive_group(required=True)
        mode.add_argument("--plan", action="store_true", help="Show the changes without making them.")
        mode.add_argument("--apply", action="store_true", help="Make the changes; needs --reason.")
        parser.add_argument("--reason", default="", help="The reason; kept in the history of each change.")
        parser.add_argument(
            "--changed-by", default=None, metavar="NAME", help="Who does this (default: the system user)."
        )
        parser.add_argument(
            "--prune",
            action="store_true",
            help="Also clear the layers that the file omits, of the strategies that it names.",
        )
        parser.add_argument(
            "--allow-enable",
            action="store_true",
            help="Switch on the layers that the file says are on; without it, layers that are off stay off.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, plan or apply, report."""
        content = self._content(options["file"])
        try:
            plan, published = self._run(content, options)
        except ImportRefusedError as refusal:
            plan, published = refusal.plan, None
        except InvalidRequestError as refusal:
            raise CommandError(refusal.message, returncode=UNUSABLE) from None
        except ConfigError as refusal:
            raise CommandError(refusal.message, returncode=FAILED) from None
        self._report(plan, is_applied=options["apply"] and not plan.refusals, published=published, options=options)
        if plan.refusals:
            raise CommandError(
                f"{len(plan.refusals)} refused, as listed above; nothing was changed", returncode=REFUSED
            )

    def _run(self, content: bytes, options: dict[str, Any]) -> tuple[Plan, bool | None]:
        chosen = {"prune": options["prune"], "allow_enable": options["allow_enable"]}
        if options["plan"]:
            return imports.plan_import(content=content, at=timezone.now(), **chosen), None
        who = options["changed_by"] or getpass.getuser()
        origin = Origin(who, ACTOR, "import", request_id="", at=timezone.now(), reason=options["reason"])
        applied = imports.apply_import(content=content, origin=origin, **chosen)
        return applied.plan, applied.published

    def _content(self, name: str) -> bytes:
        """The file, or its first bytes up to one more than allowed."""
        try:
            if name == "-":
                return sys.stdin.buffer.read(yaml_file.LONGEST_BYTES + 1)
            with Path(name).open("rb") as file:
                return file.read(yaml_file.LONGEST_BYTES + 1)
        except OSError as exception:
            raise CommandError(f"{name} cannot be read: {exception.strerror}.", returncode=UNUSABLE) from None

    def _report(self, plan: Plan, *, is_applied: bool, published: bool | None, options: dict[str, Any]) -> None:
        if options["json"]:
            self.stdout.write(json.dumps({"applied": is_applied, "published": published, **_as_json(plan)}))
            return
        for change in plan.changes:
            line = f"{change.action.lower():8}{change.key}: {wording.row_sentence(change.changes)}"
            self.stdout.write(self.style.ERROR(f"{line} (SWITCHES ON)") if change.action == "ENABLE" else line)
        for key in plan.kept_off:
            self.stdout.write(f"kept off {key}: the file says on; --allow-enable would switch it on")
        for strategy_id in plan.passed_over:
            self.stdout.write(f"skipped {strategy_id}: not in this version of the code")
        for refusal in plan.refusals:
            self.stderr.write(f"refused {refusal.where}: {refusal.message}")
        verb = "changed" if is_applied else "to change"
        self.stdout.write(f"{len(plan.changes)} {verb}, {plan.unchanged} unchanged, {len(plan.refusals)} refused")
        if published is False:
            self.stdout.write("Not yet published, because Redis is unreachable; it will be as soon as Redis is back.")


def _as_json(plan: Plan) -> dict[str, Any]:
    return {
        "changes": [
            {
                "strategy_id": change.key.strategy_id,
                "symbol": change.key.symbol,
                "action": change.action,
                "version": change.version,
                "changes": change.changes,
            }
            for change in plan.changes
        ],
        "unchanged": plan.unchanged,
        "kept_off": [key._asdict() for key in plan.kept_off],
        "passed_over": list(plan.passed_over),
        "refused": [{"where": refusal.where, "message": refusal.message} for refusal in plan.refusals],
    }
