"""Rows of the history get a position apart from the sequence, and may be about what is no layer.

It only adds: the release before goes on writing during the upgrade, and `chain` gives its rows their positions.
"""

from django.db import migrations, models
from django.db.models import F

# Where the backend's unique indexes are partial, and answer no query: see 0002.
MONGODB_INDEXES = {
    "history_by_position": [("position", 1)],
    "history_of_object": [("object_kind", 1), ("object_id", 1), ("position", -1)],
}


def take_positions_from_sequences(apps, schema_editor):
    apps.get_model("strategy_config", "ConfigAudit").objects.update(position=F("sequence"))
    apps.get_model("strategy_config", "ChangeSequence").objects.update(
        position=F("value"), position_hash=F("head_hash")
    )


def create_indexes(apps, schema_editor):
    if schema_editor.connection.vendor == "mongodb":
        for name, keys in MONGODB_INDEXES.items():
            schema_editor.connection.database["strategy_config_audit"].create_index(keys, name=name)


def drop_indexes(apps, schema_editor):
    if schema_editor.connection.vendor == "mongodb":
        for name in MONGODB_INDEXES:
            schema_editor.connection.database["strategy_config_audit"].drop_index(name)


def _add(name, field):
    return migrations.AddField("configaudit", name, field)


class Migration(migrations.Migration):
    dependencies = [("strategy_config", "0004_relay_position")]

    operations = [
        _add("position", models.PositiveBigIntegerField(null=True)),
        _add("object_kind", models.CharField(max_length=32, null=True)),
        _add("object_id", models.CharField(max_length=64, null=True)),
        _add("object_version", models.PositiveBigIntegerField(null=True)),
        _add("set_id", models.UUIDField(null=True)),
        _add("format", models.PositiveSmallIntegerField(null=True)),
        _add("salts", models.JSONField(null=True)),
        _add("redacted", models.JSONField(null=True)),
        migrations.AddField("changesequence", "position", models.PositiveBigIntegerField(default=0)),
        migrations.AddField("changesequence", "position_hash", models.CharField(blank=True, default="", max_length=64)),
        migrations.RunPython(take_positions_from_sequences, migrations.RunPython.noop),
        migrations.AlterField("configaudit", "position", models.PositiveBigIntegerField(null=True, unique=True)),
        migrations.AlterField("configaudit", "sequence", models.PositiveBigIntegerField(null=True, unique=True)),
        migrations.AlterField("configaudit", "version", models.PositiveBigIntegerField(null=True)),
        migrations.AlterField("configaudit", "strategy_id", models.CharField(blank=True, default="", max_length=64)),
        migrations.AlterField("configaudit", "action", models.CharField(max_length=16)),
        migrations.AlterField("configaudit", "channel", models.CharField(max_length=16)),
        migrations.AlterModelOptions("configaudit", {"default_permissions": ("view",), "ordering": ["-position"]}),
        migrations.AddConstraint(
            "configaudit",
            models.UniqueConstraint(
                fields=("object_kind", "object_id", "object_version"), name="one_audit_row_per_object_version"
            ),
        ),
        migrations.RunPython(create_indexes, drop_indexes),
    ]
