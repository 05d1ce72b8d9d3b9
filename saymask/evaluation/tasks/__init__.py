"""The tasks of an evaluation: a file for what each asks a model and how it measures the answer."""
