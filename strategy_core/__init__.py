"""The pure core of both sides: strategies, market messages, configuration, engine.

Imports nothing of ours outside this package, and neither I/O, clocks nor logs. Inside: market, then strategies, then
configuration, then engine; never back.
"""
