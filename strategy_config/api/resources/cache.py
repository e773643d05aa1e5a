"""Rebuilding what Redis holds."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from django.http import HttpResponse
from rest_framework.request import Request

from strategy_config.api.common import envelope
from strategy_config.api.common.answer_models import AnswerModel, Metadata, Success
from strategy_config.api.common.api_view import ApiView
from strategy_config.api.common.operations import operation
from strategy_config.api.common.permissions import Permission
from strategy_config.publication import refresh


class Refreshed(AnswerModel):
    message: str
    entries: int
    sequence: int


class RefreshMetadata(Metadata):
    action: Literal["cache_refresh"]


class CacheRefreshed(Success):
    data: Refreshed
    metadata: RefreshMetadata


class CacheRefreshView(ApiView):
    """The shared cache, rebuilt."""

    permission_by_method: ClassVar[Mapping[str, Permission]] = {"POST": Permission.REFRESH_CACHE}

    @operation(
        "refreshCache",
        tag="Operation",
        summary="Rebuild the documents in Redis",
        answer=CacheRefreshed,
        needs_cache=True,
    )
    def post(self, request: Request) -> HttpResponse:
        """Rewrite every document in Redis from the database, and tell every runtime to reload all of them."""
        refreshed = refresh.refresh_cache()
        held = f"{refreshed.entries} documents as of sequence {refreshed.sequence}"
        return envelope.success(
            request,
            {
                "message": f"Redis refreshed successfully: {held}.",
                "entries": refreshed.entries,
                "sequence": refreshed.sequence,
            },
            metadata={"action": "cache_refresh"},
        )
