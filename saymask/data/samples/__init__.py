"""Samples: prepared scenes and sentences as torch datasets, and the order in which training sees them."""
