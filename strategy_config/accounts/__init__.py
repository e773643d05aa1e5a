"""Who may do what: tokens, permissions, limits of logins, addresses of callers.

Imports history and below.
"""
