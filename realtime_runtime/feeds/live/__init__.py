"""The process of the live feed: its settings, its sources put together, its health and metrics.

Imports `binance`, `sources` and what stands in `feeds` itself.
"""
