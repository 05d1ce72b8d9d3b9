"""Referring results that need no model, printed beside every result (specification of Rooms).

The first two are expectations over a random choice, computed exactly from the sizes of the true masks; no sampling.
Intersections and unions of `oiou` are expectations too.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from saymask.data.annotations import Annotation
from saymask.data.labels import raw_category
from saymask.data.scenes import SceneInfo, read_scene_info, scene_path
from saymask.errors import InputError
from saymask.metrics.referring import ReferMetric, get_protocol


def random_object(data: str | Path, annotations: Sequence[Annotation], protocol: str = "less") -> dict[str, Any]:
    """Score the true mask of one annotated object of the scene, each as likely as the others.

    `data` is a prepared folder; the masks go through the protocol's comparison, not through its fallback for small
    masks (which needs probabilities).
    """
    return _expected(data, annotations, protocol, lambda info, _: list(info.sizes))


def class_oracle(data: str | Path, annotations: Sequence[Annotation], protocol: str = "less") -> dict[str, Any]:
    """Score the true mask of one object of the right raw category, each as likely as the others.

    The category is the annotation's object name; where no object of the scene has it, that of its first object.
    """
    return _expected(data, annotations, protocol, _same_category)


def _same_category(info: SceneInfo, annotation: Annotation) -> list[int]:
    wanted = raw_category(annotation.object_name)
    same = [i for i in info.sizes if info.objects.get(i) == wanted]
    if not same and annotation.object_ids:
        wanted = info.objects.get(annotation.object_ids[0])
        same = [i for i in info.sizes if info.objects.get(i) == wanted]
    return same


def program_oracle(data: str | Path, annotations: Sequence[Annotation], protocol: str = "less") -> dict[str, Any]:
    """Score the true masks of the objects that the sentence's program finds in the room's description (Rooms only).

    This is 1 where sentences, rooms and scans agree; a program whose answer is not clear-cut finds nothing.
    """
    from saymask.rooms.files import read_room
    from saymask.rooms.programs import Ambiguous, Evaluator, check

    @lru_cache(maxsize=16)
    def evaluator(scene_id: str) -> Evaluator:
        return Evaluator(read_room(Path(data) / "rooms" / f"{scene_id}.json"))

    metric = ReferMetric(protocol)
    for annotation, info in _with_scenes(data, annotations):
        if annotation.program is None:
            raise InputError(
                f"{annotation.scene_id}: annotation {annotation.ann_id} has no program; prepare Rooms again"
            )
        check(annotation.program)
        try:
            found = evaluator(annotation.scene_id)(annotation.program)
        except Ambiguous:
            found = ()
        metric.add_expected(annotation, [_outcome(info, set(found), set(annotation.object_ids))])
    return metric.compute()


def all_baselines(
    data: str | Path, annotations: Sequence[Annotation], protocol: str = "less"
) -> dict[str, dict[str, Any]]:
    """Return every baseline that this data allows: name → result of `ReferMetric.compute`."""
    result = {
        "random object": random_object(data, annotations, protocol),
        "class oracle": class_oracle(data, annotations, protocol),
    }
    if annotations and all(a.program is not None for a in annotations) and (Path(data) / "rooms").is_dir():
        result["program oracle"] = program_oracle(data, annotations, protocol)
    return result


def _expected(
    data: str | Path,
    annotations: Sequence[Annotation],
    protocol: str,
    candidates: Callable[[SceneInfo, Annotation], list[int]],
) -> dict[str, Any]:
    if get_protocol(protocol).boxes:
        raise InputError(f"baselines: expected a protocol that compares masks, got {protocol}; use scanrefer or less")
    metric = ReferMetric(protocol)
    for annotation, info in _with_scenes(data, annotations):
        targets = set(annotation.object_ids)
        ids = candidates(info, annotation)
        outcomes = [_outcome(info, {i}, targets) for i in ids] or [_outcome(info, set(), targets)]
        metric.add_expected(annotation, [(1 / len(outcomes), inter, union) for _, inter, union in outcomes])
    return metric.compute()


def _outcome(info: SceneInfo, chosen: set[int], targets: set[int]) -> tuple[float, float, float]:
    """Return (1, intersection, union) in points; objects of a scan share no point."""
    inter = sum(info.sizes.get(i, 0) for i in chosen & targets)
    return 1.0, float(inter), float(sum(info.sizes.get(i, 0) for i in chosen | targets))


def _with_scenes(data: str | Path, annotations: Iterable[Annotation]) -> Iterable[tuple[Annotation, SceneInfo]]:
    infos: dict[str, SceneInfo] = {}
    for annotation in annotations:
        scene = annotation.scene_id
        if scene not in infos:
            infos[scene] = read_scene_info(scene_path(data, scene))
        yield annotation, infos[scene]
