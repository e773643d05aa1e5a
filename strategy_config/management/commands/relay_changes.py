"""The process that announces changes to other services."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from service_kit import shutdown, tracing
from service_kit.nats_connection import NatsAccess, NatsLostError, problem_with_creds, problem_with_nkey_seed
from strategy_config.publication.relay import Relay
from strategy_config.redis import redis_client

END_SECONDS = 9.0


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C. Run one; see `strategy_config.publication.relay`."""

    help = (
        "Announce every accepted change to other services over NATS, on config.changed.<strategy>.<symbol or global>, "
        "at least once and in order. Runs until it is stopped; exit code 1 if NATS has closed the connection for good."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Relay."""
        if not settings.NATS_URL:
            raise CommandError("NATS_URL must be set.")
        for name, problem_with in (
            ("NATS_CREDS_FILE", problem_with_creds),
            ("NATS_NKEY_SEED_FILE", problem_with_nkey_seed),
        ):
            path = getattr(settings, name)
            if path and (problem := problem_with(Path(path))):
                raise CommandError(f"{name} {problem}.")
        tracing.start(settings.PROCESS_ENVIRONMENT, service="realtime-strategies-relay")
        try:
            shutdown.run(_run())
        except (NatsLostError, OSError) as exception:
            raise CommandError(str(exception)) from exception
        shutdown.leave(0)


async def _run() -> None:
    relay = Relay(
        redis_url=settings.REDIS_URL,
        keys=redis_client.keys(),
        nats_url=settings.NATS_URL,
        access=NatsAccess(
            ca_file=settings.NATS_CA_FILE,
            creds_file=settings.NATS_CREDS_FILE,
            nkey_seed_file=settings.NATS_NKEY_SEED_FILE,
        ),
    )
    shutdown.on_signals(lambda _: relay.stop(), within_seconds=END_SECONDS)
    await relay.run()
