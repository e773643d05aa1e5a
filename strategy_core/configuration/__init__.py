"""Parameters: values, their one validation, layers, the layer of the environment, documents in Redis; halts, reports.

Imports `strategies` and `market`.
"""
