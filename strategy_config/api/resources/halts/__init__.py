"""Halts and resumes, and the halt that stands in for a stop which cannot be stored.

Imports no other resource.
"""
