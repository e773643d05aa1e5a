"""The routes of the API, under /api/v1/."""

from django.urls import path

from strategy_config.api.resources.cache import CacheRefreshView
from strategy_config.api.resources.changes import ChangesView
from strategy_config.api.resources.checks.views import CheckView
from strategy_config.api.resources.halts.views import HaltsView, HaltView, ResumeView
from strategy_config.api.resources.history.views import AuditView, HistoryView, RestoreView, RollBackView
from strategy_config.api.resources.layers.views import GlobalLayerView, SymbolLayerView
from strategy_config.api.resources.market.views import AllView, DepthView, PressureView, SummaryView
from strategy_config.api.resources.runtimes import RuntimesView
from strategy_config.api.resources.signals import SignalsView
from strategy_config.api.resources.strategies import DefaultsView, ParameterSchemaView, StrategyListView
from strategy_config.api.resources.switches import DisableView, EnableView

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
