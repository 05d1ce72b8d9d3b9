"""Every verb on furnished worlds that nobody of this project made: the development set for rooms of other people.

    python -m benchmarks.foreign --worlds DIR [--model NAME ...] [--adapt 0.5] [--views surface handheld rgbd]
                                 [--only WORLD ...] [--repeats 1] [--json FILE]

Each world is looked at three times (`benchmarks.foreign_worlds`): `surface` is all of its visible surface, `handheld`
what camera poses on a walk saw of it, `rgbd` what the sensor of that name fuses from its frames. Nothing may be
trained on these worlds. Figures in %, by the metrics of `saymask evaluate`: `semantic` mIoU over the classes of
ScanNet20 that occur, `points` right among them; `AP25`, `AP50` of instances, and with `any` the same without looking
at classes; `click` mIoU of one click on every object; `refer` mIoU of sentences about one object (`3dres`) with `any`
of all sentences, `none` those about nothing that are answered with nothing (`3dgres`); `find` mIoU of the names that
are there, of ScanNet200's. Objects that an answer may include count neither way. `absent` and `nonsense` are the
share of 20 names that are not there and of 10 words that are none for which something is found, `AUROC` how well the
best relevance tells names that are there from both. Beside them `chance` (any annotated object, for refer; the
answers to other names, for find) and the class oracle (any object of the right kind). `mean` is the mean over worlds;
with `--repeats` each world is drawn and walked through anew so many times.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.foreign_worlds import VIEWS, World, load_world, world_names
from saymask.data.annotations import Annotation
from saymask.data.scenes import save_scene, scene_path
from saymask.evaluation.rows import Row, sentence_rows, write_rows
from saymask.evaluation.tasks.click import measure_clicks
from saymask.evaluation.tasks.find import measure_find
from saymask.evaluation.tasks.instances import measure_instances
from saymask.evaluation.tasks.refer import answer, point_logits
from saymask.evaluation.tasks.semantic import measure_semantic
from saymask.geometry.superpoints import superpoints_of
from saymask.hub import checkpoints, headers
from saymask.labels.tables import scannet200
from saymask.metrics.baselines import class_oracle, random_object
from saymask.metrics.find import FindMetric
from saymask.metrics.instance import InstanceMetric
from saymask.metrics.interactive import InteractiveMetric
from saymask.metrics.referring import ReferMetric
from saymask.metrics.semantic import SemanticMetric
from saymask.models.base import Model
from saymask.models.contract import AnswersClick, AnswersFind, AnswersInstances, AnswersRefer, AnswersSemantic
from saymask.scan import Scan
from saymask.util.files import write_text
from saymask.util.provenance import provenance

COLUMNS = (
    "semantic", "points", "AP25", "AP50", "AP25 any", "AP50 any", "click", "refer", "refer any", "none", "chance",
    "oracle", "find", "find chance", "absent", "nonsense", "AUROC",
)  # fmt: skip
ABSENT = 20
NONSENSE = (
    "asdfqwer", "blorptik", "zzyzx", "qwrtplm", "fnordle", "gribbulous", "xkcdvb", "wumblethrop", "plinkzorf", "ttrkk",
)  # fmt: skip


def absent_names(there: Iterable[str], seed: int = 0) -> list[str]:
    """Return 20 of ScanNet200's names that share no word with what is there."""
    words = {word.rstrip("s") for name in there for word in name.split()}
    away = [c.name for c in scannet200() if not words & {word.rstrip("s") for word in c.name.split()}]
    chosen = np.random.RandomState(seed).permutation(len(away))[:ABSENT]
    return [away[i] for i in sorted(chosen)]


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return the probability that one of `positive` exceeds one of `negative`, ties counting half."""
    a, b = np.asarray(positive)[:, None], np.asarray(negative)[None]
    return float(((a > b) + 0.5 * (a == b)).mean()) if a.size and b.size else float("nan")


@torch.inference_mode()
def measure(model: Model, world: World, adapt: float | None, rows: list[Row] | None = None) -> dict[str, float]:
    """Return the figures of one view of one world in %; what it has no truth for is missing.

    A row per sentence about one object is added to `rows`.
    """
    from dataclasses import replace

    scan = replace(world.scan, superpoints=superpoints_of(world.scan))
    unlabelled = replace(scan, labels={})
    encoder = model.adapted(unlabelled, adapt)
    encoded = encoder.encode_batch(model.collate([model.prepare(unlabelled)]).to(model.device))
    figures: dict[str, float] = {}
    if isinstance(model, AnswersSemantic) and _classes_fit(model):
        semantic = SemanticMetric("scannet")
        measure_semantic(model, encoded, scan, semantic)
        occurs = semantic.confusion().sum(axis=1) > 0  # a class that is only predicted costs the others already
        figures["semantic"] = float(np.nanmean(semantic.iou()[occurs]))
        figures["points"] = semantic.compute()["overall"]["acc"]
    if isinstance(model, AnswersInstances) and _classes_fit(model):
        figures |= _instances(model, encoded, scan)
    if isinstance(model, AnswersClick):
        clicks = InteractiveMetric("scannet")
        measure_clicks(model, encoded, scan, clicks)
        figures["click"] = clicks.compute()["overall"]["miou"]
    if isinstance(model, AnswersRefer) and world.any_number:
        figures |= _refer(model, encoded, replace(world, scan=scan), rows)
    if isinstance(model, AnswersFind) and "find" in model.verbs:
        figures |= _find(model, encoded, scan, world.objects.values())
    return {name: 100 * value for name, value in figures.items()}


def _classes_fit(model: Model) -> bool:
    return model.system == "uniseg3d"  # the others answer with other classes than ScanNet20's, or with none


def _instances(model: AnswersInstances, encoded: Any, scan: Scan) -> dict[str, float]:
    with_class, without = InstanceMetric("scannet"), InstanceMetric("scannet")
    measure_instances(model, encoded, scan, with_class)
    found = model.instances(encoded)
    one = int(without.protocol.things[0].id)
    true = without.protocol.true_instances(scan.labels)
    thing = np.isin(true // 1000, [c.id for c in without.protocol.things])
    masks, first = np.unique(found.masks, axis=0, return_index=True)  # one mask under several classes is one object
    labels = np.full(len(masks), one)
    without.update(
        masks, labels, found.scores[first], np.where(thing, one * 1000 + true % 1000, 0), scan.name, index=found.index
    )
    own, any_class = with_class.compute()["overall"], without.compute()["overall"]
    return {
        "AP25": own["ap25"], "AP50": own["ap50"], "AP25 any": any_class["ap25"], "AP50 any": any_class["ap50"],
    }  # fmt: skip


def _refer(model: AnswersRefer, encoded: Any, world: World, rows: list[Row] | None) -> dict[str, float]:
    one, several = ReferMetric("3dres"), ReferMetric("3dgres")
    scores = _sentences(model, encoded, world, world.single, one)
    if rows is not None:
        rows += sentence_rows(one, world.single, scores)
    _sentences(model, encoded, world, world.any_number, several)
    result, groups = one.compute(), several.compute()
    figures = {"refer": result["overall"]["miou"], "refer any": groups["overall"]["miou"]}
    nothing = [groups[g] for g in ("zt_w_d", "zt_wo_d") if g in groups and groups[g]["n"]]
    if nothing:
        figures["none"] = sum(g["miou"] * g["n"] for g in nothing) / sum(g["n"] for g in nothing)
    with tempfile.TemporaryDirectory() as folder:
        path = scene_path(folder, world.scan.name)
        path.parent.mkdir()
        save_scene(path, world.scan, objects=world.objects)
        figures["chance"] = random_object(folder, world.single, "3dres")["overall"]["miou"]
        figures["oracle"] = class_oracle(folder, world.single, "3dres")["overall"]["miou"]
    return figures


def _sentences(
    model: AnswersRefer, encoded: Any, world: World, annotations: Sequence[Annotation], metric: ReferMetric
) -> dict[tuple[str, int], float]:
    """Count sentences and return the scores; points of what an answer may include are taken out of it."""
    instance = world.scan.labels["instance"]
    scores: dict[tuple[str, int], float] = {}
    predictions = model.refer(encoded, [a.asked for a in annotations], count=metric.protocol.count)
    for annotation, prediction in zip(annotations, predictions, strict=True):
        logits = point_logits(prediction)
        logits[np.isin(instance, world.optional.get(annotation.asked, ()))] = -np.inf
        masks, sure = answer(prediction, logits, metric.protocol, separate=False)
        metric.update(masks, np.isin(instance, annotation.object_ids)[None], annotation)
        scores[annotation.key] = max(sure, default=prediction.best or 0.0)
    return scores


def _find(model: AnswersFind, encoded: Any, scan: Scan, there: Iterable[str]) -> dict[str, float]:
    metric = FindMetric("scannet200")
    measure_find(model, encoded, scan, metric)
    result = metric.compute()["overall"]
    figures = {"find": result["miou"], "find chance": result["chance"]}
    present = sorted(set(np.unique(scan.labels["semantic200"]).tolist()) - {-1})
    names = [scannet200()[i].name for i in present]
    best = {kind: _best(model, encoded, asked) for kind, asked in (
        ("present", names), ("absent", absent_names([*there, *names])), ("nonsense", list(NONSENSE)),
    )}  # fmt: skip
    for kind in ("absent", "nonsense"):
        figures[kind] = float(np.mean([found for found, _ in best[kind]]))
    scores = {kind: [score for _, score in values] for kind, values in best.items()}
    figures["AUROC"] = auroc(scores["present"], scores["absent"] + scores["nonsense"])
    return figures


def _best(model: AnswersFind, encoded: Any, names: list[str]) -> list[tuple[bool, float]]:
    """Return for each name whether anything is found for it, and the highest relevance of anything."""
    found = model.find(encoded, names)
    return [
        (
            bool((found.classes == i).any()),
            found.best[i] if found.best else float(found.scores[found.classes == i].max(initial=0)),
        )
        for i in range(len(names))
    ]


def title(model: str) -> str:
    """Return what a model is called in tables: its name, or its file with the folder of the run."""
    return "/".join(Path(model).parts[-2:])


def mean(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each figure over the rows that have it."""
    return {c: float(np.nanmean(values)) for c in COLUMNS if (values := [r[c] for r in rows if c in r])}


def table(title: str, rows: dict[str, dict[str, float]]) -> str:
    """Return the figures as a Markdown table."""
    lines = [f"### {title}", "", "| world | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, row in rows.items():
        cells = [f"{row[c]:.1f}" if c in row else "" for c in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table per model and view, and write everything to a JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.foreign", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--worlds", type=Path, required=True, help="folder of NAME.npz and NAME.json")
    parser.add_argument("--model", nargs="+", default=[headers.DEFAULT], help="names or paths of checkpoints")
    parser.add_argument(
        "--adapt", type=float, nargs="+", help="weights of a scan's own norm statistics; default: model's"
    )
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=list(VIEWS))
    parser.add_argument("--only", nargs="+", help="worlds; default: all")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rows", type=Path, help="file (.csv, .jsonl) for a row per sentence about one object")
    options = parser.parse_args(arguments)
    report: list[dict[str, Any]] = []
    for view in options.views:
        worlds = {
            (name, seed): load_world(options.worlds, name, view, seed)
            for name in options.only or world_names(options.worlds)
            for seed in range(options.repeats)
        }
        for name in options.model:
            model = checkpoints.load_model(name)
            for adapt in options.adapt or [None]:
                report.append(_one(model, name, view, adapt, worlds, options.worlds))
                if options.json:
                    write_text(options.json, json.dumps(report, indent=1) + "\n")
    if options.rows:
        told = [{"model": one["model"], "view": one["view"], **row} for one in report for row in one["rows"]]
        write_rows(options.rows, told)
    return 0


def _one(
    model: Model, name: str, view: str, adapt: float | None, worlds: dict[tuple[str, int], World], folder: Path
) -> dict[str, Any]:
    start, figures, rows = time.perf_counter(), dict[str, list[dict[str, float]]](), list[Row]()
    for (world, _), seen in worlds.items():
        figures.setdefault(world, []).append(measure(model, seen, adapt, rows))
    means = {world: mean(repeats) for world, repeats in figures.items()}
    means["mean"] = mean(list(means.values()))
    share = getattr(model.config, "adapt", 0.0) if adapt is None else adapt
    print(table(f"{title(name)}, {view}, adapt {share:g}", means), end="\n\n")
    print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    return {
        "model": title(name), "view": view, "adapt": share, "worlds": means, "repeats": figures, "rows": rows,
        "provenance": provenance(data=folder, checkpoint=headers.find_checkpoint(name)),
    }  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
