"""Each parses its options, calls a service or selector, and reports.

Imports services, transfer, tasks and below.
"""
