"""The one client of Redis, commands of many threads in one round trip, and entries of streams.

Imports models, exceptions.
"""
