"""The keys of Redis that site and runtime share, and what is stored under each. Pure.

- hash ``<prefix>:config``: one field a strategy (``orderbook_skew``) and one a symbol's layer that was ever set
  (``orderbook_skew:BTCUSDT``), each a
  `wire_documents.Document` as JSON. A layer whose parameters were deleted keeps its document,
  with nothing of its own but its version. Hash ``<prefix>:sequences`` has the sequence of each field that is there, so
  that an older document never replaces a newer one, and a field that it alone has is known to be lost.
- ``<prefix>:sequence``: the last published sequence. Absent: nothing has been published here.
- stream ``<prefix>:changes``: one ``Change`` an accepted change under the id ``<sequence>-0``; a reload
  notice under ``<sequence>-<n>``. Capped, ids ascend, no sequence is left out: a set is one entry for all of its own.
  ``<prefix>:set:<sequence>``: the content of a set that is too large for the stream.
- halts: hashes ``<prefix>:halts`` and ``<prefix>:resumed``, stream ``<prefix>:halts:told`` (see ``halts``).
- ``<prefix>:repair``: present while a runtime asks the site to rewrite everything, because something is missing.
- ``<prefix>:runtime:<instance>``: ``Heartbeat`` with a time to live; stream ``<prefix>:acks``: ``Ack``;
  stream ``<prefix>:signals``: the latest signals.
- hash ``<prefix>:market``: one field a symbol, its ``BookMetrics``; ``<prefix>:pressure:<symbol>``: the records of its
  ``PressureHistory``, oldest first (``market.analytics`` has both). Only the runtime that owns the symbol writes them.
- list ``<prefix>:prices:<symbol>``: a price a second of event time, oldest first, each an ``encode_price``.

An entry of each of these streams has one field, ``p``: its payload as JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass

CHANGES_CAP = 10_000
ACKS_CAP = 10_000
SIGNALS_CAP = 10_000
SET_TTL_SECONDS = 86_400
STREAM_FIELD = "p"


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of everything under one prefix."""

    prefix: str

    @property
    def config(self) -> str:
        return f"{self.prefix}:config"

    @property
    def sequences(self) -> str:
        return f"{self.prefix}:sequences"

    @property
    def sequence(self) -> str:
        return f"{self.prefix}:sequence"

    @property
    def changes(self) -> str:
        return f"{self.prefix}:changes"

    @property
    def halts(self) -> str:
        """The halts in force, as the site knows them."""
        return f"{self.prefix}:halts"

    @property
    def resumed(self) -> str:
        """The ids of the latest halts that have ended."""
        return f"{self.prefix}:resumed"

    @property
    def told_halts(self) -> str:
        """The halts that reached a runtime without the site."""
        return f"{self.prefix}:halts:told"

    @property
    def repair(self) -> str:
        """What a runtime found missing, for a minute: the site then rewrites everything."""
        return f"{self.prefix}:repair"

    def change_set(self, sequence: int) -> str:
        """The ``SetContent`` of the set that ends with ``sequence``, for a day."""
        return f"{self.prefix}:set:{sequence}"

    @property
    def acks(self) -> str:
        return f"{self.prefix}:acks"

    @property
    def signals(self) -> str:
        return f"{self.prefix}:signals"

    def prices(self, symbol: str) -> str:
        return f"{self.prefix}:prices:{symbol}"

    def share(self, name: str) -> str:
        """The lease of one share of the symbols: who trades it."""
        return f"{self.prefix}:share:{name}"

    def runtime(self, instance_id: str) -> str:
        return f"{self.prefix}:runtime:{instance_id}"

    @property
    def market(self) -> str:
        return f"{self.prefix}:market"

    def pressure(self, symbol: str) -> str:
        return f"{self.prefix}:pressure:{symbol}"

    @property
    def runtimes_pattern(self) -> str:
        return f"{self.prefix}:runtime:*"


def field_name(strategy_id: str, symbol: str | None) -> str:
    """The hash field of a layer."""
    return strategy_id if symbol is None else f"{strategy_id}:{symbol}"


def stream_payload(fields: Sequence[bytes]) -> bytes:
    """The payload of a stream's entry as Redis sends its fields; b"" where it has none."""
    pairs = dict(zip(fields[::2], fields[1::2], strict=True))
    return pairs.get(STREAM_FIELD.encode(), b"")
