"""One module or folder for each resource: its models, its examples and its views.

Imports the API's common and config_answer, and services and what lies below them; never fast_reads.
"""
