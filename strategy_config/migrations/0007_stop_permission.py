"""Stopping has a permission of its own. Users who may change parameters or enable have it as well."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("strategy_config", "0006_halts"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="strategyconfig",
            options={
                "default_permissions": ("view",),
                "ordering": ["strategy_id"],
                "permissions": [
                    ("change_parameters", "Can change the parameters of strategies"),
                    ("stop_strategy", "Can stop strategies"),
                    ("switch_strategy", "Can enable and disable strategies"),
                    ("refresh_cache", "Can rebuild the shared cache"),
                ],
            },
        ),
    ]
