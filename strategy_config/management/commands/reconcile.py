"""Publish what the shared cache has missed."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from strategy_config.publication import publisher


class Command(BaseCommand):
    """One shot of what the clock does every few seconds."""

    help = "Bring the shared cache up to the store, once. Exit code 1 where it cannot be reached."

    def handle(self, *args: Any, **options: Any) -> None:
        """Publish what is missing."""
        if not publisher.publish_pending():
            raise CommandError("The shared cache cannot be brought up to date right now.")
        self.stdout.write("The shared cache is up to date.")
