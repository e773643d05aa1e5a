"""Halts of one runtime: taken over NATS, HTTP and Redis, in force at once, kept on disk, passed on.

Imports `messaging`.
"""
