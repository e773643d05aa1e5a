"""Where the history ends, and how far the relay has got."""

import uuid
from typing import ClassVar

from django.db import models


class ChangeSequence(models.Model):
    """The one row that every write updates first: it orders all acts and holds the head of the audit chain.

    ``position`` is that of the last row of the chain, ``value`` the last sequence. ``position_hash`` is the
    ``head_hash`` that belongs to ``position``: where they differ, a release that knows no positions has written since.
    ``identities`` counts the changes of tokens, users and groups.
    """

    ONLY_ID: ClassVar = uuid.UUID(int=1)

    id = models.UUIDField(primary_key=True, default=ONLY_ID, editable=False)
    value = models.PositiveBigIntegerField(default=0)
    head_hash = models.CharField(max_length=64)
    identities = models.PositiveBigIntegerField(default=0)
    position = models.PositiveBigIntegerField(default=0)
    position_hash = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        db_table = "strategy_config_sequence"
        default_permissions = ()

    def __str__(self) -> str:
        return f"position {self.position}, sequence {self.value}"


class RelayPosition(models.Model):
    """The one row that says up to which sequence other services were told of changes."""

    ONLY_ID: ClassVar = uuid.UUID(int=1)

    id = models.UUIDField(primary_key=True, default=ONLY_ID, editable=False)
    sequence = models.PositiveBigIntegerField(default=0)

    class Meta:
        db_table = "strategy_config_relay"
        default_permissions = ()

    def __str__(self) -> str:
        return f"relayed up to {self.sequence}"
