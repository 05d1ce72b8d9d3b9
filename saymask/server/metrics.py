"""Numbers of a service for Prometheus, in its text format."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from saymask import __version__
from saymask.server.service import Service
from saymask.server.work import Work

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Upper ends, in seconds."""
MEDIA = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of one service; each has a registry of its own."""

    def __init__(self, service: Service, work: Work) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "saymask_requests", "Requests answered", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "saymask_request_seconds", "Time of a request, waiting included", ["route"], buckets=BUCKETS,
            registry=self._registry,
        )  # fmt: skip
        self._encoded = Histogram(
            "saymask_encode_seconds", "Time of reading and encoding a scan", buckets=BUCKETS, registry=self._registry
        )
        self._prompts = Counter(
            "saymask_prompts", "Sentences, names, clicks and whole-scan questions", ["verb"], registry=self._registry
        )
        for name, text, value in (
            ("saymask_scans", "Scans that are known", lambda: len(service.store.all())),
            ("saymask_encoded_scans", "Scans that are in memory", lambda: len(service.scenes)),
            ("saymask_encoded_bytes", "Memory of encoded scans and their answers", lambda: service.scenes.nbytes),
            ("saymask_places_taken", "Requests that are worked on or wait", lambda: work.taken),
        ):
            Gauge(name, text, registry=self._registry).set_function(value)
        info = Gauge("saymask_info", "Version and model", ["version", "model"], registry=self._registry)
        info.labels(__version__, service.model.title).set(1)
        service.on_encoded = self._encoded.observe

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def prompts(self, verb: str, count: int) -> None:
        """Count what was asked."""
        self._prompts.labels(verb).inc(count)

    def text(self) -> bytes:
        """Return all numbers as text."""
        return generate_latest(self._registry)
