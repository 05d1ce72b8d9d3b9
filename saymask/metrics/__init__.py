"""Evaluation; every metric names its protocol."""

from saymask.metrics.referring import PROTOCOLS, ReferMetric, select_points

__all__ = ["PROTOCOLS", "ReferMetric", "select_points"]
