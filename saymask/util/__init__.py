"""Small things that everything stands on: atomic files, settings, cores, caches, progress."""
