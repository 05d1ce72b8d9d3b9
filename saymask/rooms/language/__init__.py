"""Sentences about rooms: words, geometric relations, programs, and the grammar that says them."""
