"""Replays recorded market data, paced by event time or by what the runtimes can take.

Imports the modules of `feeds` itself, and `messaging.progress`.
"""
