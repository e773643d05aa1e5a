"""Create an API token."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from strategy_config.accounts import tokens
from strategy_config.exceptions import InvalidRequestError

DEFAULT_DAYS = 90


class Command(BaseCommand):
    """Prints only the token on standard output, for scripts."""

    help = "Create an API token for a user. It is printed once and not stored."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("user", help="The user's name.")
        parser.add_argument(
            "--days", type=int, default=DEFAULT_DAYS, help="Days until it expires (default: %(default)s)."
        )
        parser.add_argument("--name", default="command line", help="What it is for (default: %(default)s).")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create and print the token."""
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']!r}.")
        try:
            token, plaintext = tokens.issue_token(
                user=user, name=options["name"], days=options["days"], at=timezone.now()
            )
        except InvalidRequestError as exception:
            raise CommandError(exception.message) from None
        self.stderr.write(f"Valid until {token.expires_at:%Y-%m-%d %H:%M} UTC. It is not shown again.")
        self.stdout.write(plaintext)
