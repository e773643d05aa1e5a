"""Halts and resumes, and the halt that replaces a stop that cannot be stored.

Imports no other resource.
"""
