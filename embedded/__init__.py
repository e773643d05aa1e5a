"""`make run` and its real servers from PyPI wheels, for development and tests; nothing here runs in production."""
