"""The Django app of the configuration."""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.core.checks import Tags, register
from django.db import connection
from django.db.models.signals import post_migrate
from django.utils import timezone


class StrategyConfigConfig(AppConfig):
    """Keeps the catalogue's rows and groups up to date with the code at every ``migrate``."""

    name = "strategy_config"
    verbose_name = "Strategy configuration"

    def ready(self) -> None:
        from strategy_config.accounts import identities
        from strategy_config.transfer import checks

        if connection.vendor == "mongodb":
            from strategy_config.store import mongodb_monitoring

            mongodb_monitoring.listen()
        post_migrate.connect(_sync_catalogue, sender=self)
        identities.connect()
        register(checks.check_database, Tags.database)


def _sync_catalogue(apps: Any = installed, **kwargs: Any) -> None:
    # `flush` sends the signal too, without `apps`.
    from strategy_config.accounts import tokens
    from strategy_config.services import catalogue, renamed_strategies

    try:
        apps.get_model("strategy_config", "ChangeSequence")
    except LookupError:
        return  # migrated back to before there were tables
    catalogue.sync_catalogue()
    now = timezone.now()
    renamed_strategies.take_over_renamed(at=now)
    tokens.adopt_tokens(at=now)
