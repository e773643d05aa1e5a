"""Layers of parameters: their resolution, their one validation, and how they are stored in Redis; halts.

Imports `strategies` and `market`.
"""
