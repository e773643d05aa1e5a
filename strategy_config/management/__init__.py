"""The commands of ``manage.py``.

Imports everything below it: an edge, as api and admin are.
"""
