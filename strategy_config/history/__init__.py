"""The history: the chain of audit rows, its end, its verification, and what it says is in force.

Imports store, redis, resolution and below.
"""
