"""What runtimes report to the site: heartbeats, and answers to changes. Pure."""

from typing import Literal

import msgspec

from strategy_core.configuration import wire_json

HEARTBEAT_TTL_SECONDS = 15


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """A runtime's answer to one sequence. ``latency_ms`` is from publication to application, host clocks."""

    sequence: int
    instance_id: str
    status: Literal["applied", "rejected"]
    error: str | None = None
    latency_ms: float | None = None
    field: str | None = None


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """What a runtime says of itself every few seconds: the one declaration of its members.

    The runtime writes it and the site reads it; a test holds the API's model of a runtime to it.

    ``lag_ms``: the longest that a market message waited between its receipt and its processing since the heartbeat
    before. ``errors``: messages that could not be decoded and strategy calls that raised, since the start.
    ``replica`` is "<ordinal>/<replicas>". ``halts`` are the ids of the halts in force; None: a version without halts.
    ``standby``: another runtime trades this share, this one only keeps warm. ``sequence`` is the last change that it
    applied, ``refused`` the number of documents that stand refused, ``formats`` those of documents that it reads.
    """

    instance_id: str
    host: str
    version: str
    started_at: str
    sent_at: str
    sequence: int
    lag_ms: float
    messages_per_second: float
    symbols: list[str]
    strategies: list[str]
    errors: int
    dropped: int
    signals: int
    config_stale_seconds: float
    market_source: str
    replica: str
    halts: list[str] | None = None
    standby: bool = False
    refused: int = 0
    formats: tuple[int, ...] = (1,)


decode_ack = wire_json.decoder(Ack)
decode_heartbeat = wire_json.decoder(Heartbeat)
