"""The process of the live feed: its settings, its sources put together, its health and metrics.

Imports `binance`, `sources`, the modules of `feeds` itself, and the runtime's `settings`.
"""
