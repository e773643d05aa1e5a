"""Every page of the console, and how much there is in the store that all of them must stay quick at."""

OVERRIDES = 1_000
AUDIT_ROWS = 100_000
LAYER = "/admin/strategies/orderbook_skew"
PAGES = {
    "dashboard": "/admin/",
    "live": "/admin/live.json",
    "strategy": f"{LAYER}/",
    "symbol": f"{LAYER}/symbols/SYM0000USDT/",
    "switch": f"{LAYER}/switch/",
    "switch of a symbol": f"{LAYER}/symbols/SYM0000USDT/switch/",
    "switch all": "/admin/switch-all/",
    "overrides": "/admin/overrides/",
    "overrides, last page": "/admin/overrides/?page=20",
    "overrides of a symbol": "/admin/overrides/?symbol=sym0001",
    "explain": f"{LAYER}/explain/",
    "explain a symbol": f"{LAYER}/symbols/SYM0000USDT/explain/",
    "copy": f"{LAYER}/symbols/SYM0000USDT/copy/",
    "history": "/admin/history/",
    "history of a layer": "/admin/history/?strategy=orderbook_skew&symbol=global",
    "history without a match": "/admin/history/?who=nobody&action=DELETE&channel=import",
    "history of a day": "/admin/history/?since=2024-08-08T12:00&until=2024-08-08T12:01",
    "compare two": "/admin/compare/?symbols=SYM0000USDT+SYM0001USDT",
    "compare a parameter": "/admin/compare/?symbols=SYM0000USDT&strategy=orderbook_skew&parameter=top_levels",
    "signals": "/admin/signals/",
    "signals of a version": "/admin/signals/?strategy=orderbook_skew&global_version=1",
    "transfer": "/admin/transfer/",
    "export of everything": "/admin/transfer/export.yaml",
    "market": "/admin/market/",
    "market, live": "/admin/market/live.json",
    "market of a symbol": "/admin/market/SYM0000USDT/",
    "market of a symbol, live": "/admin/market/SYM0000USDT/live.json",
    "tokens": "/admin/tokens/",
    "help": "/admin/help/",
    "help of a strategy": "/admin/help/orderbook_skew/",
    "users": "/admin/auth/user/",
    "groups": "/admin/auth/group/",
}
# Of what an empty store has not: versions, and symbols that differ.
FILLED_PAGES = {
    "compare": "/admin/compare/",
    "diff": f"{LAYER}/versions/?old=1&new=30",
    "roll back": f"{LAYER}/rollback/?version=30",
}
