"""Binance's streams: connections, their numbering, and books built from differences.

Imports what stands in `feeds` itself, and the runtime's `settings`.
"""
