"""Evaluation of models and of stored predictions on prepared data."""
