"""Order-book analytics of the runtimes, without the envelope.

Imports no other resource.
"""
