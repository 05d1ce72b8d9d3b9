"""Engines: one job for every item of a collection, done by processes of this machine or by a Ray cluster."""
