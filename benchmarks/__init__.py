"""
Benchmarks: how fast, side by side with something to compare with, in one run.

``python -m benchmarks`` runs all and prints a table; ``--json`` ends with one line of JSON;
names after it run only those. Nothing here is a test: a busy machine is no failure.
"""
