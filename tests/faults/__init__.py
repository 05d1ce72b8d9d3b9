"""Faults: commands that are killed, or meet a full or read-only disk, a second process, or a damaged file."""
