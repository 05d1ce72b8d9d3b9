"""Parametric furniture: designs per ScanNet category, made of parts."""
