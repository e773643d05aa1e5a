"""Market messages and what follows from them: routes, books, levels, windows, plausibility, analytics.

Imports nothing else of ours.
"""
