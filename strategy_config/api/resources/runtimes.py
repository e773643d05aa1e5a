"""The live runtimes."""

from django.http import HttpResponse
from rest_framework.request import Request

from strategy_config.api.common import envelope
from strategy_config.api.common.answer_models import AnswerModel, CountMetadata, Success
from strategy_config.api.common.api_view import ApiView
from strategy_config.api.common.operations import operation
from strategy_config.api.common.permissions import READ_ONLY
from strategy_config.exceptions import RedisUnavailableError
from strategy_config.observed.runtimes import live_runtimes
from strategy_core.configuration import runtime_reports


class Runtime(AnswerModel):
    """A live runtime, as of its latest report.

    ``sequence`` is the last change that it applied, ``refused`` the number of documents that it refuses, ``formats``
    the document formats that it reads. ``halts`` are the ids of the halts in force there; null: a version without
    halts. ``standby``: another runtime trades its share.
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
    halts: list[str] | None
    standby: bool
    refused: int
    formats: list[int]


class RuntimesMetadata(CountMetadata):
    """``degraded``: Redis is unreachable, so the list is empty."""

    degraded: bool


class Runtimes(Success):
    data: list[Runtime]
    metadata: RuntimesMetadata


class RuntimesView(ApiView):
    """The runtimes that trade on the configuration."""

    permission_by_method = READ_ONLY

    @operation("listRuntimes", tag="Operation", summary="List the live runtimes", answer=Runtimes)
    def get(self, request: Request) -> HttpResponse:
        """Each runtime that has reported within 15 seconds or three of its intervals, and the last change that it
        applied.
        """
        heartbeats: list[runtime_reports.Heartbeat] = []
        is_degraded = False
        try:
            heartbeats = live_runtimes()
        except RedisUnavailableError:
            is_degraded = True
        return envelope.success(request, heartbeats, metadata={"total_count": len(heartbeats), "degraded": is_degraded})
