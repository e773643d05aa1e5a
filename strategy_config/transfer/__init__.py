"""The database as a file and back, and what the service before this one kept.

Imports services and below.
"""
