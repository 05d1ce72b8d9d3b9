"""Data: annotations, preparation of raw folders, prepared scenes, and training samples."""
