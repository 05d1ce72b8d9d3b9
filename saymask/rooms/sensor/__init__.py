"""Sensors of Rooms: how surfaces become points."""
