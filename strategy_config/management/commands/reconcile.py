"""Publish the changes that Redis has missed."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from strategy_config.publication import publisher


class Command(BaseCommand):
    """Does once what the worker does every few seconds."""

    help = "Bring Redis up to date with the database, once. Exit code 1 if Redis is unreachable."

    def handle(self, *args: Any, **options: Any) -> None:
        """Publish what is missing."""
        if not publisher.publish_pending():
            raise CommandError("Redis cannot be brought up to date right now.")
        self.stdout.write("Redis is up to date.")
