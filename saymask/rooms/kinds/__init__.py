"""Kinds of rooms: how each is furnished."""
