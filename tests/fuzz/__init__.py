"""Mutated files for every reader: only InputError may come out, in time and within memory (`python -m tests.fuzz`)."""
