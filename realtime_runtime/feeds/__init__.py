"""The feeds: each publishes market data to NATS; a process of its own, started with `cli`.

Imports `messaging` and `settings` of the runtime. Inside: report, supervision < publishing, web < binance, sources,
replay, simulated < live < cli.
"""
