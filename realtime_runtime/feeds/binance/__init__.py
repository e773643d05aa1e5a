"""Binance's streams: connections, their numbering, and books built from differences.

Imports the modules of `feeds` itself, and the runtime's `settings`.
"""
