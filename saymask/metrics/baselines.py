"""Referring results that need no model, printed beside every result (docs/systems/rooms.md §5).

Where the protocol wants one object per sentence, the first two are expectations over a random choice, computed exactly
from the sizes of the true masks; no sampling. Intersections and unions of `oiou` are expectations too. Where a sentence
may mean any number of objects (`3dgres`), the class oracle marks every object of the class, and "nothing" says that
there is no target, always.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from saymask.data.annotations import Annotation
from saymask.data.scenes import SceneInfo, read_scene_info, scene_path
from saymask.errors import InputError
from saymask.labels.tables import raw_category
from saymask.metrics.protocols import Protocol, get_protocol
from saymask.metrics.referring import ReferMetric
from saymask.util.files import file_name


def random_object(data: str | Path, annotations: Sequence[Annotation], protocol: str = "less") -> dict[str, Any]:
    """Score the true mask of one annotated object of the scene, each as likely as the others.

    `data` is a prepared folder; the masks go through the protocol's comparison, not through its fallback for small
    masks (which needs probabilities).
    """
    return _expected(data, annotations, protocol, lambda info, _: list(info.sizes))


def class_oracle(data: str | Path, annotations: Sequence[Annotation], protocol: str = "less") -> dict[str, Any]:
    """Score the true masks of objects of the right raw category.

    One object: one of the category, each as likely as the others; the category is the annotation's object name; where
    no object of the scene has it, that of its first object. Any number: all objects of the categories that the targets
    have; without a target, of the annotation's object name (nothing, when the file gives none).
    """
    if get_protocol(protocol).count == "any":
        return _certain(data, annotations, protocol, lambda annotation, info: _all_of_category(info, annotation))
    return _expected(data, annotations, protocol, _same_category)


def nothing(data: str | Path, annotations: Sequence[Annotation], protocol: str = "3dgres") -> dict[str, Any]:
    """Score "no target" for every sentence."""
    return _certain(data, annotations, protocol, lambda annotation, info: set())


def _same_category(info: SceneInfo, annotation: Annotation) -> list[int]:
    wanted = raw_category(annotation.object_name)
    same = [i for i in info.sizes if info.objects.get(i) == wanted]
    if not same and annotation.object_ids:
        wanted = info.objects.get(annotation.object_ids[0])
        same = [i for i in info.sizes if info.objects.get(i) == wanted]
    return same


def _all_of_category(info: SceneInfo, annotation: Annotation) -> set[int]:
    wanted = {info.objects[i] for i in annotation.object_ids if i in info.objects}
    if not wanted and annotation.object_name:
        wanted = {raw_category(annotation.object_name)}
    return {i for i in info.sizes if info.objects.get(i) in wanted}


def program_oracle(data: str | Path, annotations: Sequence[Annotation], protocol: str = "less") -> dict[str, Any]:
    """Score the true masks of the objects that the sentence's program finds in the room's description (Rooms only).

    This is 1 where sentences, rooms and scans agree; a program whose answer is not clear-cut finds nothing.
    """
    from saymask.rooms.files import read_room
    from saymask.rooms.language.programs import Ambiguous, Evaluator, check

    @lru_cache(maxsize=16)
    def evaluator(scene_id: str) -> Evaluator:
        return Evaluator(read_room(Path(data) / "rooms" / f"{file_name(scene_id, 'scene')}.json"))

    def found(annotation: Annotation, info: SceneInfo) -> set[int]:
        if annotation.program is None:
            raise InputError(
                f"{annotation.scene_id}: annotation {annotation.ann_id} has no program; prepare Rooms again"
            )
        check(annotation.program)
        try:
            return set(evaluator(annotation.scene_id)(annotation.program))
        except Ambiguous:
            return set()

    return _certain(data, annotations, protocol, found)


def all_baselines(
    data: str | Path, annotations: Sequence[Annotation], protocol: str = "less"
) -> dict[str, dict[str, Any]]:
    """Return every baseline that this data allows: name → result of `ReferMetric.compute`."""
    result = {"nothing": nothing(data, annotations, protocol)} if get_protocol(protocol).count == "any" else {}
    result |= {
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
    """Score one of the candidates, each as likely as the others."""
    metric = _metric(protocol)
    for annotation, info in _with_scenes(data, annotations):
        sets = [{i} for i in candidates(info, annotation)] or [set()]
        outcomes = [_outcome(info, chosen, annotation, metric.protocol) for chosen in sets]
        metric.add_expected(annotation, [(1 / len(outcomes), inter, union) for inter, union in outcomes])
    return metric.compute()


def _certain(
    data: str | Path,
    annotations: Sequence[Annotation],
    protocol: str,
    choose: Callable[[Annotation, SceneInfo], set[int]],
) -> dict[str, Any]:
    """Score the union of the chosen objects."""
    metric = _metric(protocol)
    for annotation, info in _with_scenes(data, annotations):
        metric.add(annotation, *_outcome(info, choose(annotation, info), annotation, metric.protocol))
    return metric.compute()


def _metric(protocol: str) -> ReferMetric:
    if not get_protocol(protocol).masks:
        raise InputError(f"baselines: expected a protocol that compares masks, got {protocol}; use scanrefer or 3dgres")
    return ReferMetric(protocol)


def _outcome(info: SceneInfo, chosen: set[int], annotation: Annotation, rule: Protocol) -> tuple[float, float]:
    """Return (intersection, union) in points; objects of a scan share no point."""
    if sum(info.sizes.get(i, 0) for i in chosen) < rule.minimum:
        chosen = set()
    targets = set() if rule.wants_nothing(annotation) else set(annotation.object_ids)
    inter = sum(info.sizes.get(i, 0) for i in chosen & targets)
    return float(inter), float(sum(info.sizes.get(i, 0) for i in chosen | targets))


def _with_scenes(data: str | Path, annotations: Iterable[Annotation]) -> Iterable[tuple[Annotation, SceneInfo]]:
    infos: dict[str, SceneInfo] = {}
    for annotation in annotations:
        scene = annotation.scene_id
        if scene not in infos:
            infos[scene] = read_scene_info(scene_path(data, scene))
        yield annotation, infos[scene]
