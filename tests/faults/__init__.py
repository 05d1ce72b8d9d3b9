"""Faults: commands that are killed, or meet a full or read-only disk, or a damaged file."""
