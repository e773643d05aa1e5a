"""Stops apart from the switches."""

import uuid
from typing import ClassVar

from django.db import models

from strategy_config.models.columns import CHANGED_BY_LENGTH, REASON_LENGTH, STRATEGY_ID_LENGTH, SYMBOL_LENGTH


class Halt(models.Model):
    """One stop apart from ``enabled``, in force until ``resumed_at``; one row for each id, by whatever channel it came.

    Empty ``strategy_id`` and ``symbol``: everything. ``at``, ``by``, ``reason`` and ``channel`` are those of the halt
    itself; ``sequence`` is that of its row in the history.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    strategy_id = models.CharField(max_length=STRATEGY_ID_LENGTH, blank=True, default="")
    symbol = models.CharField(max_length=SYMBOL_LENGTH, blank=True, default="")
    at = models.DateTimeField()
    by = models.CharField(max_length=CHANGED_BY_LENGTH)
    reason = models.CharField(max_length=REASON_LENGTH, blank=True, default="")
    channel = models.CharField(max_length=16)
    sequence = models.PositiveBigIntegerField()
    resumed_at = models.DateTimeField(null=True, blank=True, db_index=True)
    resumed_by = models.CharField(max_length=CHANGED_BY_LENGTH, blank=True, default="")
    resume_reason = models.CharField(max_length=REASON_LENGTH, blank=True, default="")

    class Meta:
        db_table = "strategy_halts"
        ordering: ClassVar = ["sequence"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"halt {self.id}"
