"""Reads for pages, endpoints and commands. Nothing here writes.

Imports accounts, observed and below.
"""
