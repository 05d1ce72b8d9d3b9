"""Parser of referring sentences: a sentence to its scene graph."""
