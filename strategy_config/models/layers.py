"""The layers of every strategy.

Their rows are never deleted: "no layer" is ``parameters`` NULL, so that versions never restart.
"""

import uuid
from typing import ClassVar

from django.db import models

from strategy_config.models.columns import CHANGED_BY_LENGTH, REASON_LENGTH, STRATEGY_ID_LENGTH, SYMBOL_LENGTH


class Layer(models.Model):
    """What the global layer and a symbol's layer have in common.

    ``version`` counts the accepted changes of the layer, 0 = never set. ``sequence`` is that of the last one.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    parameters = models.JSONField(null=True, blank=True)
    version = models.PositiveBigIntegerField(default=0)
    sequence = models.PositiveBigIntegerField(default=0)
    created_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(null=True, blank=True)
    updated_by = models.CharField(max_length=CHANGED_BY_LENGTH, blank=True, default="")
    reason = models.CharField(max_length=REASON_LENGTH, blank=True, default="")

    class Meta:
        abstract = True


class StrategyConfig(Layer):
    """The global layer of a strategy; one row each, always there.

    ``enabled`` is the kill switch for all symbols; NULL leaves it to the environment.
    """

    strategy_id = models.CharField(max_length=STRATEGY_ID_LENGTH, unique=True)
    enabled = models.BooleanField(null=True, blank=True)

    class Meta:
        db_table = "strategy_configs"
        ordering: ClassVar = ["strategy_id"]
        default_permissions = ("view",)
        permissions: ClassVar = [
            ("change_parameters", "Can change the parameters of strategies"),
            ("stop_strategy", "Can stop strategies"),
            ("switch_strategy", "Can enable and disable strategies"),
            ("refresh_cache", "Can rebuild the shared cache"),
        ]

    def __str__(self) -> str:
        return self.strategy_id


class SymbolOverride(Layer):
    """The layer of one strategy on one symbol. From ``expires_at`` on its parameters no longer count."""

    strategy_id = models.CharField(max_length=STRATEGY_ID_LENGTH)
    symbol = models.CharField(max_length=SYMBOL_LENGTH)
    enabled = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True)

    class Meta:
        db_table = "strategy_config_overrides"
        ordering: ClassVar = ["strategy_id", "symbol"]
        default_permissions = ("view",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["strategy_id", "symbol"], name="one_override_per_symbol"),
        ]

    def __str__(self) -> str:
        return f"{self.strategy_id} on {self.symbol}"
