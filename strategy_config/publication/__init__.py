"""From the database to Redis, and from there to other services: after the commit, in order, repaired.

Imports selectors and below.
"""
