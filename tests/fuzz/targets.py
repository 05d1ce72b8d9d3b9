"""What is done with a mutated file: the same calls that a user makes, per reader."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from saymask.io.load import READERS
from saymask.util.files import read_json


def _scan(path: Path) -> Any:
    """Load a scan, and write masks beside what was loaded, as it is done after a model has run."""
    import numpy as np

    from saymask import Masks, load_scan

    scan = load_scan(path, quiet=True)
    if scan.n_original > 20_000:  # saved as any other; the time that counts is that of reading
        return scan, []
    bits = np.zeros((2, len(scan)), bool)
    bits[0, ::2] = True
    masks = Masks.from_points(scan, bits, names=("a chair", "nothing"))
    return scan, [masks.save(path.with_name(f"out.{suffix}")) for suffix in ("ply", "npz", "laz", "json")]


def _masks(path: Path) -> Any:
    from saymask import Masks, Scan
    from tests.fuzz.seeds import colors, points

    return Masks.from_json(Scan(points(), colors(), name="a"), path)


def _scene(path: Path) -> Any:
    from saymask.data.scenes import load_scene, read_scene_info

    return load_scene(path), read_scene_info(path)


def _prepared(folder: Path) -> Any:
    from saymask.data.annotations import load_annotations
    from saymask.data.scenes import read_manifest

    notes = folder / "annotations"
    return (
        read_manifest(folder),
        load_annotations(notes / "scanrefer_val.json", programs=notes / "programs_val.json"),
        load_annotations(notes / "multi3drefer_val.json", source="multi3drefer"),
    )


def _predictions(path: Path) -> Any:
    from saymask.metrics.predictions import read_predictions

    return [entry.rows() for entry in read_predictions(path).entries]


def _sens(path: Path) -> Any:
    from saymask.io.sens import SensFile

    with SensFile(path) as file:
        return [(file.color(i), file.depth(i), file.pose(i)) for i in range(len(file))]


def _config(path: Path) -> Any:
    from saymask.hub.registry import preset
    from saymask.util.settings import from_json

    return from_json(type(preset(path.stem).model), read_json(path))


def register_toy() -> None:
    """Make the toy model of the tests known."""
    from saymask.hub import registry

    if "toy" not in registry.SYSTEMS:
        registry.register("toy", "tests.models.toy_model:Toy", "tests.models.toy_model", "toy.tiny")


def _checkpoint(path: Path) -> Any:
    from saymask.hub.checkpoints import load_model

    register_toy()
    return load_model(path, device="cpu")


def _anchors(path: Path) -> Any:
    from saymask.models.lground.anchors import load_anchors

    return load_anchors(path)


def _features(path: Path) -> Any:
    from saymask.data.image_store import load_with_info

    return load_with_info(path.parents[2], path.stem, path.parent.name)


def _pickle(path: Path) -> Any:
    from saymask.io.pickles import read_foreign, read_pickle, state_dict_of

    try:
        return state_dict_of(read_foreign(path)[0])
    except ValueError:
        return read_pickle(path)


def _frames(folder: Path) -> Any:
    from saymask.io.frames import FrameSkipped, open_frames

    out = []
    with open_frames(folder, every=1) as frames:
        for number in frames.numbers:
            try:
                out.append((frames.pose(number), frames.depth(number), frames.color(number)))
            except FrameSkipped:
                continue
    return out


def _submission(path: Path) -> Any:
    import numpy as np

    from saymask.metrics.instance import InstanceMetric
    from saymask.metrics.submission import add_instance_file, read_ids

    if path.parent.name == "ids":
        return read_ids(path)
    metric = InstanceMetric("scannet200")
    add_instance_file(metric, path, np.repeat([4001, 2001, 0], 80), "s")
    return metric.compute()


def _conversion(path: Path) -> Any:
    from saymask.convert import convert

    return convert("lground", path, path.with_suffix(".safetensors"), report=lambda line: None)


def _projections(path: Path) -> Any:
    from saymask.convert.less import read_projections

    return read_projections(path)


TARGETS: dict[str, Callable[[Path], Any]] = {
    **dict.fromkeys(READERS, _scan), "masks": _masks, "scene": _scene, "prepared": _prepared, "scannet": _scan,
    "predictions": _predictions, "sens": _sens, "config": _config, "checkpoint": _checkpoint, "anchors": _anchors,
    "features": _features, "pickle": _pickle, "projections": _projections, "frames": _frames,
    "submission": _submission, "conversion": _conversion,
}  # fmt: skip
"""Reader -> call with the path of the main file."""
