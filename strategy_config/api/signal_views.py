"""The signals of the runtimes."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request

from strategy_config.api import requests, signal_answers
from strategy_config.api.common import envelope, schema
from strategy_config.api.common.base import ApiView
from strategy_config.api.common.permissions import Permission
from strategy_config.exceptions import RedisUnavailableError, StoreUnavailableError
from strategy_config.observed import recent_signals
from strategy_config.observed.recent_signals import SignalFilter
from strategy_config.resolution import known_strategies


class SignalsView(ApiView):
    """The latest signals."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"GET": Permission.VIEW}

    @schema.operation(
        "listSignals",
        tag="Operation",
        summary="List the latest signals",
        answer=signal_answers.Signals,
        query=requests.SignalsQuery,
        names_strategy=True,
        needs_cache=True,
    )
    def get(self, request: Request) -> HttpResponse:
        """The newest of the last 10,000 or so signals, newest first, as they went to order management.

        Each says under `metadata.config` what it was decided under: the sequence of the configuration, and the
        versions of the strategy's two layers.
        """
        query = requests.query(request, requests.SignalsQuery)
        if query.strategy_id is not None:
            known_strategies.strategy_class(query.strategy_id)
        chosen = SignalFilter(
            strategy_id=query.strategy_id,
            symbol=query.symbol,
            action=query.action,
            global_version=query.global_version,
            symbol_version=query.symbol_version,
            since=query.since,
        )
        try:
            found = recent_signals.newest(chosen, limit=query.limit)
        except RedisUnavailableError as exception:
            raise StoreUnavailableError("Redis, which keeps the latest signals, cannot be reached now.") from exception
        signals = [msgspec.Raw(signal.payload) for signal in found]
        return envelope.success(request, signals, metadata={"count": len(signals)})
