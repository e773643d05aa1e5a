"""Waits for the answers of the runtimes to a change."""

import time
from typing import Any

from strategy_config.exceptions import RedisUnavailableError
from strategy_config.observed.runtimes import trading_runtimes
from strategy_config.redis import redis_client, stream_entries
from strategy_core.configuration import runtime_reports

BLOCK_MS = 200


class RuntimeWait:
    """Waits for the acknowledgements of the runtimes that are live before a change; made before the change.

    With a timeout of 0 it asks nobody. It never fails the change: if Redis is unreachable, a warning says so.
    """

    def __init__(self, timeout_ms: int) -> None:
        self._timeout_ms = timeout_ms
        self._warning: str | None = None
        self._instances: list[str] = []
        self._last_id: Any = "0-0"
        if timeout_ms == 0:
            return
        try:
            self._instances = [heartbeat.instance_id for heartbeat in trading_runtimes()]
            newest = redis_client.run(lambda client: client.xrevrange(redis_client.keys().acks, count=1))
        except RedisUnavailableError:
            self._warning = "Redis is unreachable: the runtimes could not be asked."
        else:
            self._last_id = newest[0][0] if newest else "0-0"

    def report(self, sequence: int, metadata: dict[str, Any]) -> None:
        """Wait, and add what each runtime made of ``sequence`` to the answer's metadata."""
        if self._timeout_ms == 0:
            return
        metadata["runtimes"] = self._answers(sequence)
        if self._warning is not None:
            metadata["warnings"].append(self._warning)

    def _answers(self, sequence: int) -> list[dict[str, Any]]:
        """What each runtime made of ``sequence``; one that is silent past the timeout has not applied it."""
        answered: dict[str, runtime_reports.Ack] = {}
        deadline = time.monotonic() + self._timeout_ms / 1000
        while len(answered) < len(self._instances):
            remaining_ms = int((deadline - time.monotonic()) * 1000)
            if remaining_ms <= 0 or not self._collect(answered, sequence, min(remaining_ms, BLOCK_MS)):
                break
        return [self._answer(instance, answered.get(instance)) for instance in self._instances]

    def _collect(self, answered: dict[str, runtime_reports.Ack], sequence: int, block_ms: int) -> bool:
        acks = redis_client.keys().acks
        try:
            streams = redis_client.run(lambda client: client.xread({acks: self._last_id}, block=block_ms))
        except RedisUnavailableError:
            self._warning = "Redis became unreachable: not all runtimes have answered."
            return False
        entries = _entries(streams)
        if entries:
            self._last_id = entries[-1][0]
        found = (fields for _, fields in entries)
        for ack in stream_entries.readable(found, runtime_reports.decode_ack, event="ack.unreadable"):
            known = answered.get(ack.instance_id)
            is_news = known is None or (known.status == "applied" and ack.status == "rejected")
            if ack.instance_id in self._instances and ack.sequence >= sequence and is_news:
                answered[ack.instance_id] = ack
        return True

    def _answer(self, instance_id: str, ack: runtime_reports.Ack | None) -> dict[str, Any]:
        if ack is None:
            silent = f"No answer within {self._timeout_ms} ms."
            return {"instance_id": instance_id, "applied": False, "latency_ms": None, "error": silent}
        error = {"error": ack.error or "Rejected without a reason."} if ack.status == "rejected" else {}
        return {
            "instance_id": instance_id,
            "applied": ack.status == "applied",
            "latency_ms": ack.latency_ms,
            **error,
        }


def _entries(streams: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """The entries of the one stream that was read; redis-py answers a list of pairs, or a dict of lists under RESP3."""
    if not streams:
        return []
    if isinstance(streams, dict):
        return [entry for batch in streams.values() for group in batch for entry in group]
    return list(streams[0][1])
