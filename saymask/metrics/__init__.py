"""Evaluation; every metric names its protocol."""

from typing import Any

from saymask.metrics.boxes import BoxF1Metric
from saymask.metrics.protocols import PROTOCOLS, Protocol, get_protocol, select_points
from saymask.metrics.records import Metric
from saymask.metrics.referring import ReferMetric

__all__ = [
    "PROTOCOLS",
    "BoxF1Metric",
    "Metric",
    "Protocol",
    "ReferMetric",
    "get_protocol",
    "metric_for",
    "select_points",
]


def metric_for(protocol: str) -> Metric[Any]:
    """Return an empty metric of a protocol (by name); InputError when there is no such protocol."""
    return BoxF1Metric(protocol) if get_protocol(protocol).separate else ReferMetric(protocol)
