"""What `migrate` makes sure of before it touches a database."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import connections

from strategy_config.models import ConfigAudit
from strategy_config.transfer import legacy_source

_ORIGINAL = frozenset({legacy_source.GLOBAL_CONFIGS, legacy_source.SYMBOL_CONFIGS})


def check_database(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse the database of the original service: both call their history alike, and migrations are not undone there.

    Asked only where databases are named, as `migrate` does.
    """
    problems: list[CheckMessage] = []
    for alias in databases or ():
        store: Any = connections[alias]  # the backend's own wrapper, of which Django's types know nothing
        if store.vendor != "mongodb":
            continue
        store.ensure_connection()
        names = set(store.database.list_collection_names())
        is_audit_foreign = ConfigAudit._meta.db_table in names and "django_migrations" not in names
        if names & _ORIGINAL or is_audit_foreign:
            problems.append(
                Error(
                    f"The database {store.settings_dict['NAME']} is that of the original service.",
                    hint="Set MONGODB_DATABASE to another one; `import_legacy` imports its configurations.",
                    id="strategy_config.E001",
                )
            )
    return problems
