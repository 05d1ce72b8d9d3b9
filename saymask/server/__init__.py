"""The verbs of a scene over HTTP (`saymask serve`), and a client for it."""
