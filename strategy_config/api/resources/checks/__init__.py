"""Checking a change without making it, and asking other services for conflicts.

Imports the models of the resource layers.
"""
