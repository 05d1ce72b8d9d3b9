"""Numbers, tables and gains of the long-tail experiment, from the points that each run got right per scan and class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saymask.data.class_frequencies import Frequencies
from saymask.errors import InputError
from saymask.labels.tables import LabelClass, scannet200

SPLITS = ("head", "common", "tail")
"""ScanNet200's own groups."""
THIRDS = ("frequent", "medium", "rare")
"""Thirds of the classes that occur in the training scans, by their points there."""
NUMBERS = ("all", *SPLITS, "common+tail", *THIRDS)
RESAMPLES = 2000
INTERVAL = (2.5, 97.5)
"""Percentiles of the resamples that bound an interval."""


@dataclass(frozen=True)
class Result:
    """Counts of what one run got right."""

    run: str
    share: float
    """Annotated share of the points of each object."""
    seed: int
    scans: tuple[str, ...]  # S, sorted
    counts: np.ndarray  # int64 [S, 200, 3]: points of the class that are right, true, predicted
    metrics: Mapping[str, Any]
    """`SemanticMetric.compute()`."""
    steps: int = 0
    seconds: float = 0.0
    """Of training."""
    samples: int = 0
    """Scans that the training saw, each as often as it was drawn."""

    def __post_init__(self) -> None:
        if self.counts.shape != (len(self.scans), len(scannet200()), 3):
            raise InputError(
                f"{self.run}: expected counts [{len(self.scans)}, {len(scannet200())}, 3], got {self.counts.shape}"
            )


def pack_counts(confusion: np.ndarray) -> dict[str, list[int]]:
    """Return {class index: [right, true, predicted]} of the classes of a scan, from its confusion matrix [C, C + 1]."""
    right, true = np.diagonal(confusion), confusion.sum(1)
    predicted = confusion[:, : len(confusion)].sum(0)
    table = np.stack([right, true, predicted], axis=1)
    return {str(c): table[c].tolist() for c in np.flatnonzero(table.any(1))}


def unpack_counts(scans: Mapping[str, Mapping[str, Sequence[int]]]) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names of the scans, sorted, and their counts int64 [S, 200, 3]; the inverse of `pack_counts`."""
    names = tuple(sorted(scans))
    counts = np.zeros((len(names), len(scannet200()), 3), np.int64)
    for row, name in enumerate(names):
        for c, values in scans[name].items():
            counts[row, int(c)] = values
    return names, counts


def class_iou(counts: np.ndarray) -> np.ndarray:
    """Return IoU float64 [..., C] of counts [..., C, 3]; NaN for classes without a true point."""
    right, true, predicted = (counts[..., i].astype(np.float64) for i in range(3))
    iou = np.full(right.shape, np.nan)
    return np.divide(right, true + predicted - right, out=iou, where=true > 0)


def thirds(points: Sequence[int]) -> dict[str, np.ndarray]:
    """Return {"frequent" | "medium" | "rare": bool [C]}: thirds of the classes that have points, by their number.

    Where they cannot be divided by three the first groups have one class more; ties go by the class index.
    """
    n = np.asarray(points, dtype=np.int64)
    order = np.argsort(-n, kind="stable")[: np.count_nonzero(n)]
    groups = {}
    for name, part in zip(THIRDS, np.array_split(order, 3)):
        groups[name] = np.zeros(len(n), bool)
        groups[name][part] = True
    return groups


def class_groups(frequencies: Frequencies, classes: Sequence[LabelClass] | None = None) -> dict[str, np.ndarray]:
    """Return {name of `NUMBERS`: bool [C]}, without the classes that have no training point: nobody can learn them."""
    classes = scannet200() if classes is None else classes
    occurs = np.asarray(frequencies.points) > 0
    groups = {"all": occurs}
    for split in SPLITS:
        groups[split] = occurs & np.array([c.split == split for c in classes])
    groups["common+tail"] = groups["common"] | groups["tail"]
    return {**groups, **thirds(frequencies.points)}


def numbers(result: Result, groups: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return mean IoU 0..1 of each group over its classes that have a true point in the scans, which is the same set
    for every run; `all 200`, where classes without one count 0; and the benchmark's own mean and accuracy.

    The benchmark's mean also counts, as 0, classes that occur nowhere but were predicted: a set that depends on the
    run. A group without a class has NaN.
    """
    iou = class_iou(result.counts.sum(0))
    found = {name: _mean(iou[mask]) for name, mask in groups.items()}
    overall = result.metrics["overall"]
    return {**found, "all 200": overall["miou_all"], "present": overall["miou_present"], "accuracy": overall["acc"]}


def classes_measured(results: Sequence[Result], groups: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Return how many classes each group's mean is over; InputError for runs measured on other scans."""
    first = results[0]
    for other in results[1:]:
        if other.scans != first.scans or not np.array_equal(other.counts[..., 1], first.counts[..., 1]):
            raise InputError(
                f"{other.run} and {first.run} were measured on other scans ({len(other.scans)} and "
                f"{len(first.scans)}): delete the result.json of one and run again"
            )
    there = first.counts[..., 1].sum(0) > 0
    return {name: int(np.count_nonzero(mask & there)) for name, mask in groups.items()}


def summary(results: Sequence[Result], groups: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return a row per run and share, in the order of their first appearance.

    A row holds run, share, seeds, and per number {"mean", "range" (highest minus lowest seed), "seeds" (each value)}.
    """
    rows = []
    for (run, share), group in _by_run(results).items():
        found = [numbers(r, groups) for r in group]
        row: dict[str, Any] = {"run": run, "share": share, "seeds": [r.seed for r in group]}
        row |= {"steps": [r.steps for r in group], "samples": [r.samples for r in group]}
        for name in found[0]:
            row[name] = _spread([f[name] for f in found])
        row["seconds per step"] = _spread([r.seconds / r.steps if r.steps else float("nan") for r in group])
        rows.append(row)
    return rows


def gains(
    results: Sequence[Result],
    groups: Mapping[str, np.ndarray],
    pairs: Sequence[tuple[str, str]],
    *,
    number: str = "common+tail",
    resamples: int = RESAMPLES,
) -> list[dict[str, Any]]:
    """Return, for each share and each pair (run, what it is compared with) that has results, how much better it is.

    Both are means over their common seeds. `points` is the difference of the mean IoU in percentage points and
    `relative` the relative one in percent; `interval` holds what 95 % of `resamples` drawings of the scans, with
    replacement and the same for both runs, give for `relative`, and `points interval` for `points`. That covers the
    choice of the scans, not that of the seed.
    """
    runs, found = _by_run(results), []
    for share in dict.fromkeys(r.share for r in results):
        for run, over in pairs:
            if (run, share) not in runs or (over, share) not in runs:
                continue
            ours = {r.seed: r for r in runs[run, share]}
            theirs = {r.seed: r for r in runs[over, share]}
            seeds = [s for s in ours if s in theirs]
            if not seeds:
                continue
            found.append(
                {"run": run, "over": over, "share": share, "number": number, "seeds": seeds}
                | _gain([ours[s] for s in seeds], [theirs[s] for s in seeds], groups[number], resamples)
            )
    return found


def _gain(ours: list[Result], theirs: list[Result], mask: np.ndarray, resamples: int) -> dict[str, Any]:
    scans = len(ours[0].scans)
    drawn = np.random.default_rng(0).multinomial(scans, np.full(scans, 1 / scans), size=resamples)
    weights = np.concatenate([np.ones((1, scans), np.int64), drawn])  # the first row is the real set
    a, b = (np.mean([_resampled(r, mask, weights) for r in runs], axis=0) for runs in (ours, theirs))
    points = 100 * (a - b)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = 100 * (a / b - 1)
    each = [_resampled(r, mask, weights[:1])[0] - _resampled(t, mask, weights[:1])[0] for r, t in zip(ours, theirs)]
    return {
        "points": float(points[0]),
        "points interval": _interval(points[1:]),
        "points of seeds": [float(100 * v) for v in each],
        "relative": float(relative[0]),
        "interval": _interval(relative[1:]),
    }


def _resampled(result: Result, mask: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return float64 [R]: mean IoU over the classes of `mask`, for each row of `weights` int [R, S]."""
    counts = np.einsum("rs,sck->rck", weights, result.counts[:, mask])
    iou = class_iou(counts)
    there = ~np.isnan(iou)
    total = np.where(there, iou, 0).sum(1)
    return np.divide(total, there.sum(1), out=np.full(len(iou), np.nan), where=there.any(1))


def _interval(values: np.ndarray) -> list[float]:
    values = values[np.isfinite(values)]
    if not len(values):
        return [float("nan"), float("nan")]
    return [float(v) for v in np.percentile(values, INTERVAL)]


def _mean(values: np.ndarray) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _spread(values: list[float]) -> dict[str, Any]:
    return {"mean": float(np.mean(values)), "range": float(max(values) - min(values)), "seeds": values}


def _by_run(results: Sequence[Result]) -> dict[tuple[str, float], list[Result]]:
    runs: dict[tuple[str, float], list[Result]] = {}
    for result in results:
        runs.setdefault((result.run, result.share), []).append(result)
    return runs


def class_table(
    results: Sequence[Result], frequencies: Frequencies, groups: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    """Return, for each class of the training scans, name, split, third, training points, objects and scans, and `iou`.

    `iou` is {share: {run: mean over the seeds, 0..1}}, empty for classes without a point in the validation scans.
    """
    found = {
        key: np.mean([class_iou(r.counts.sum(0)) for r in group], axis=0) for key, group in _by_run(results).items()
    }
    table = []
    for c in scannet200():
        if frequencies.points[c.index] == 0:
            continue
        iou: dict[str, dict[str, float]] = {}
        for (run, share), values in found.items():
            if not np.isnan(values[c.index]):
                iou.setdefault(f"{share:g}", {})[run] = float(values[c.index])
        row = {"name": c.name, "split": c.split, "third": next(t for t in THIRDS if groups[t][c.index])}
        row |= {"points": frequencies.points[c.index], "objects": frequencies.objects[c.index]}
        table.append({**row, "scans": frequencies.scenes[c.index], "iou": iou})
    return table


def markdown(
    rows: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]], measured: Mapping[str, int], scans: int
) -> str:
    """Return the tables of `summary` and `gains`, a section per share, and what the numbers mean."""
    parts = []
    for share in dict.fromkeys(row["share"] for row in rows):
        annotated = f"{100 * share:g} % of each object's points annotated" if share < 1 else "All points annotated"
        parts.append(f"### {annotated}\n")
        head = ["run", *(f"{name} ({measured[name]})" for name in NUMBERS), "all 200", "s/step"]
        lines = [_line(head), _line(["---", *["---:"] * (len(head) - 1)])]
        for row in rows:
            if row["share"] == share:
                cells = [_cell(row[name]) for name in (*NUMBERS, "all 200")]
                lines.append(_line([row["run"], *cells, _cell(row["seconds per step"], scale=1)]))
        parts.append("\n".join(lines) + "\n")
        mine = [g for g in found if g["share"] == share]
        if mine:
            head = [f"{mine[0]['number']}", "over", "points", "relative", "95 % of resampled scans"]
            lines = [_line(head), _line(["---", "---", *["---:"] * 3])]
            lines += [_line([g["run"], g["over"], *_gain_cells(g)]) for g in mine]
            parts.append("\n".join(lines) + "\n")
    seeds = max(len(row["seeds"]) for row in rows)
    parts.append(_notes(seeds, scans))
    return "\n".join(parts)


def _notes(seeds: int, scans: int) -> str:
    text = (
        f"Mean IoU in percent on {scans} validation scans, over the classes that have points there (how many stands "
        "behind a group's name). Head, common and tail are ScanNet200's groups; frequent, medium and rare are thirds "
        'of the classes of these training scans by their points. "all 200": classes without points count 0. Each run '
        "is measured once, with its last weights. Seconds per step are those of runs that may have gone side by side. "
    )
    if seeds == 1:
        return text + "One seed: how much another seed would change is not known.\n"
    return text + f"Means over {seeds} seeds ± half the distance between the highest and the lowest.\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(value: Mapping[str, Any], scale: float = 100) -> str:
    mean = scale * value["mean"]
    if np.isnan(mean):
        return "–"
    return f"{mean:.2f}" + (f" ± {scale * value['range'] / 2:.2f}" if len(value["seeds"]) > 1 else "")


def _gain_cells(gain: Mapping[str, Any]) -> list[str]:
    low, high = gain["interval"]
    relative = f"{gain['relative']:+.1f} %" if np.isfinite(gain["relative"]) else "–"
    return [f"{gain['points']:+.2f}", relative, f"{low:+.1f} to {high:+.1f} %" if np.isfinite(low) else "–"]


def plain(values: Any) -> Any:
    """Return nested dicts and lists with None where a number is not finite, which JSON has no word for."""
    if isinstance(values, Mapping):
        return {key: plain(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [plain(value) for value in values]
    return None if isinstance(values, float) and not np.isfinite(values) else values
