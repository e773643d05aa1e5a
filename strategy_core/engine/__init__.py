"""The hot path: from a message to signals, under the configuration in force, with a state for each symbol.

Imports `configuration`, `strategies` and `market`.
"""
