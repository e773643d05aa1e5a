"""One layer of a strategy: reading it and changing it.

Imports the resource halts, for a stop that cannot be stored.
"""
