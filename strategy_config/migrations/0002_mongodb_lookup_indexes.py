"""Indexes that only MongoDB needs.

There the backend makes a unique index partial (``{"$type": "string"}``), so that NULLs do not collide, and a partial
index answers no query that does not repeat its condition. SQL databases use their unique indexes for these lookups.
"""

from django.db import migrations

ASCENDING, DESCENDING = 1, -1
INDEXES = {
    "strategy_configs": {"lookup_strategy": {"strategy_id": ASCENDING}},
    "strategy_config_overrides": {"lookup_layer": {"strategy_id": ASCENDING, "symbol": ASCENDING}},
    "strategy_config_audit": {
        "history": {"sequence": ASCENDING},
        "history_of_layer": {"strategy_id": ASCENDING, "symbol": ASCENDING, "sequence": DESCENDING},
        "history_by_time": {"strategy_id": ASCENDING, "changed_at": DESCENDING},
    },
    "strategy_config_tokens": {"lookup_token": {"digest": ASCENDING}},
}


def create_indexes(apps, schema_editor):
    if schema_editor.connection.vendor != "mongodb":
        return
    for collection, indexes in INDEXES.items():
        for name, keys in indexes.items():
            schema_editor.connection.database[collection].create_index(list(keys.items()), name=name)


def drop_indexes(apps, schema_editor):
    if schema_editor.connection.vendor != "mongodb":
        return
    for collection, indexes in INDEXES.items():
        for name in indexes:
            schema_editor.connection.database[collection].drop_index(name)


class Migration(migrations.Migration):
    dependencies = [("strategy_config", "0001_initial")]
    operations = [migrations.RunPython(create_indexes, drop_indexes)]
