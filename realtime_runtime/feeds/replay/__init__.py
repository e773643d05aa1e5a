"""Replays recorded market data, paced by event time or by what the runtimes can take.

Imports what stands in `feeds` itself, and `messaging.progress`.
"""
