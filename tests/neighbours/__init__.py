"""What the neighbours, and clients of the original service, send and read: written anew from their behaviour.

One installation (`conftest.py`) as in the first step of a migration; `readers.py` has what they make of our answers.
"""
