"""Create the demo users."""

import json
import secrets
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from strategy_config.accounts import tokens
from strategy_config.services import catalogue

ADMINISTRATOR = "admin"
TOKEN_NAME = "demo"  # noqa: S105  (what the token is called)
TOKEN_DAYS = 30


class Command(BaseCommand):
    """One user of each group, named like it. Existing users are not changed or printed."""

    help = "Create the demo users viewer, trader, operator and admin with random passwords, and an API token for admin."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")
        parser.add_argument(
            "--reset", action="store_true", help="Give existing demo users new passwords and a new token."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the missing users; print passwords and token, only this once."""
        passwords: dict[str, str] = {}
        token: str | None = None
        for name in catalogue.GROUPS:
            user, is_new = User.objects.get_or_create(username=name)
            if not is_new and not options["reset"]:
                continue
            passwords[name] = secrets.token_urlsafe(12)
            user.set_password(passwords[name])
            user.is_staff = True
            user.is_superuser = name == ADMINISTRATOR
            user.save()
            user.groups.set([Group.objects.get(name=name)])
            if name == ADMINISTRATOR:
                for former in user.api_tokens.filter(name=TOKEN_NAME):
                    tokens.revoke_token(token=former, at=timezone.now())
                _, token = tokens.issue_token(user=user, name=TOKEN_NAME, days=TOKEN_DAYS, at=timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps({"users": passwords, "token": token}))
            return
        if not passwords:
            self.stdout.write("The demo users exist already.")
        for name, password in passwords.items():
            self.stdout.write(f"{name}: {password}")
        if token is not None:
            self.stdout.write(f"API token of {ADMINISTRATOR}: {token}")
