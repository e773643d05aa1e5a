"""The routes of the API, under /api/v1/."""

from django.urls import path

from strategy_config.api.audit_views import HistoryView
from strategy_config.api.check_views import CheckView
from strategy_config.api.halt_views import HaltsView, HaltView, ResumeView
from strategy_config.api.history_views import (
    AuditView,
    ChangesView,
    DisableView,
    EnableView,
    RestoreView,
    RollBackView,
)
from strategy_config.api.layer_views import GlobalLayerView, SymbolLayerView
from strategy_config.api.market_views import AllView, DepthView, PressureView, SummaryView
from strategy_config.api.signal_views import SignalsView
from strategy_config.api.views import (
    CacheRefreshView,
    DefaultsView,
    ParameterSchemaView,
    RuntimesView,
    StrategyListView,
)

urlpatterns = [
    path("strategies", StrategyListView.as_view()),
    path("strategies/cache/refresh", CacheRefreshView.as_view()),
    path("strategies/<str:strategy_id>/schema", ParameterSchemaView.as_view()),
    path("strategies/<str:strategy_id>/defaults", DefaultsView.as_view()),
    path("strategies/<str:strategy_id>/config", GlobalLayerView.as_view()),
    path("strategies/<str:strategy_id>/config/<str:symbol>", SymbolLayerView.as_view()),
    path("strategies/<str:strategy_id>/audit", AuditView.as_view()),
    path("strategies/<str:strategy_id>/rollback", RollBackView.as_view()),
    path("strategies/<str:strategy_id>/restore", RestoreView.as_view()),
    path("strategies/<str:strategy_id>/enable", EnableView.as_view()),
    path("strategies/<str:strategy_id>/disable", DisableView.as_view()),
    path("audit", HistoryView.as_view()),
    path("halt", HaltView.as_view()),
    path("halts", HaltsView.as_view()),
    path("resume", ResumeView.as_view()),
    path("config/validate", CheckView.as_view()),
    path("config/changes", ChangesView.as_view()),
    path("runtimes", RuntimesView.as_view()),
    path("metrics/depth/<str:symbol>", DepthView.as_view()),
    path("metrics/pressure/<str:symbol>", PressureView.as_view()),
    path("metrics/summary", SummaryView.as_view()),
    path("metrics/all", AllView.as_view()),
    path("signals", SignalsView.as_view()),
]
