"""Items of an evaluation: prepared scans, and the sentences about each."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from saymask.data.annotations import Annotation
from saymask.data.samples.order import drop_missing, drop_unknown
from saymask.data.samples.scans import PreparedScans, ScanDataset
from saymask.data.samples.sentences import ReferDataset, annotation_path, by_scene, sources_of
from saymask.evaluation.request import ALL, Request
from saymask.metrics.protocols import PROTOCOLS


@dataclass(frozen=True)
class Items:
    """The scans to measure on."""

    scans: PreparedScans
    names: list[str]
    left_out: int = 0
    """Annotations (of `refer`) or scans that are not prepared."""
    source: str = ""
    """Source of the sentences; "" = none are asked, or there are none."""
    annotations: Mapping[str, list[Annotation]] = field(default_factory=dict)
    """The sentences of each scan that has some."""


def load_items(request: Request, say: Callable[[str], None] | None = None) -> Items:
    """Return what is asked for; `say` (standard error without it) tells what is left out.

    For the task `refer` a limit counts sentences, and scans without one are not gone through.
    """
    say = to_stderr if say is None else say
    count, named = request.limit or 0, source_of(request)
    if request.task == "refer":
        items = ReferDataset(
            request.data, request.split, source=named, prepare=not_prepared, max_items=count, cache_scenes=1
        )
        left_out = drop_unknown(items, say, hidden=request.keeps_answers)
        sentences = grouped(items)
        return Items(items, list(sentences), left_out, named, sentences)
    scans = ScanDataset(request.data, request.split, prepare=not_prepared, max_items=count, cache_scenes=1)
    left_out = drop_missing(scans, say)
    if request.task != ALL:
        return Items(scans, scans.names, left_out)
    missing = [
        p for name in sources_of(named) if not (p := annotation_path(request.data, name, request.split)).is_file()
    ]
    if missing:
        say(f"refer is left out: there are no sentences {missing[0].name}")
        return Items(scans, scans.names, left_out)
    items = ReferDataset(request.data, request.split, source=named, prepare=not_prepared)
    drop_unknown(items, say)
    return Items(scans, scans.names, left_out, named, grouped(items))


def source_of(request: Request) -> str:
    """Return whose sentences are asked: those of the request, else those that its protocol is defined on."""
    rule = PROTOCOLS.get(request.protocol or "")
    return request.source or ("scanrefer" if rule is None else rule.source)


def grouped(items: ReferDataset) -> dict[str, list[Annotation]]:
    """Return the annotations of each scan, scans in the order of their names."""
    return {scene: [items.annotations[row] for row in rows] for scene, rows in by_scene(items).items()}


def not_prepared(*_: Any, **__: Any) -> Any:
    """Stand where a dataset takes `prepare`: evaluation prepares scans itself, once per scene."""
    raise AssertionError("evaluation prepares scans itself, once per scene")


def to_stderr(line: str) -> None:
    """Print a line for the user, apart from the numbers."""
    print(line, file=sys.stderr)
