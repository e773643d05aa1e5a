"""Halts: stops apart from the switches of the layers."""

import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("strategy_config", "0005_history_positions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Halt",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("strategy_id", models.CharField(blank=True, default="", max_length=64)),
                ("symbol", models.CharField(blank=True, default="", max_length=24)),
                ("at", models.DateTimeField()),
                ("by", models.CharField(max_length=100)),
                ("reason", models.CharField(blank=True, default="", max_length=1000)),
                ("channel", models.CharField(max_length=16)),
                ("sequence", models.PositiveBigIntegerField()),
                ("resumed_at", models.DateTimeField(blank=True, db_index=True, null=True)),
                ("resumed_by", models.CharField(blank=True, default="", max_length=100)),
                ("resume_reason", models.CharField(blank=True, default="", max_length=1000)),
            ],
            options={
                "db_table": "strategy_halts",
                "ordering": ["sequence"],
                "default_permissions": (),
            },
        ),
    ]
