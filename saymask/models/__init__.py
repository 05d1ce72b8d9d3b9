"""The systems: one file or folder each, all with the contract of `saymask.models.base`."""
