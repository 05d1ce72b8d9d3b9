"""Implementations of the sparse operations, and the choice among them."""
