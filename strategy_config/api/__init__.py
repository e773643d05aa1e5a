"""The REST API: each view parses, calls one service or selector, and renders.

Imports services and below.
"""
