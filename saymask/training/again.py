"""Training again: with the settings of another run, or once with each of several seeds."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from saymask.errors import InputError
from saymask.hub.registry import preset
from saymask.metrics.records import flatten
from saymask.models.base import Preset, TrainConfig
from saymask.training.run import train
from saymask.util.files import parse_object, write_text
from saymask.util.settings import from_json


def preset_of_run(path: Path) -> Preset:
    """Return the preset that a run's config.json records, with the settings it had; InputError for another file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected config.json of a run: {error}") from None
    content = parse_object(text, path, preset=str, model=dict, train=dict)
    known = preset(content["preset"])
    try:
        model = from_json(type(known.model), content["model"])
        return replace(known, model=model, train=from_json(TrainConfig, content["train"]))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def train_seeds(chosen: Preset, data: Path, out: Path, seeds: Sequence[int], **options: Any) -> dict[str, Any]:
    """Train once with each seed, in `out`/seed-N, and return and write (`out`/seeds.json) what came out.

    {"preset", "protocol", "seeds", "metrics": {"overall/miou": {"mean", "std", "values"}, …}}: the numbers of each
    run's best weights, std with n - 1. Runs that are there go on or are kept; `options` are those of `train`. Raises
    InputError as `train`, and for seeds that are not different.
    """
    if len(set(seeds)) != len(seeds):
        raise InputError(f"seeds: expected different numbers, got {list(seeds)}")
    found: list[dict[str, float]] = []
    for seed in seeds:
        one = replace(chosen, train=replace(chosen.train, seed=seed))
        card = train(one, data, Path(out) / f"seed-{seed}", **options)
        groups = {k: v for k, v in card["metrics"].items() if isinstance(v, dict) and "n" in v}
        found.append(flatten(groups))
    names = [name for name in (found[0] if found else {}) if all(name in each for each in found)]
    values = {name: [each[name] for each in found] for name in names}
    metrics = {
        name: {"mean": float(np.mean(v)), "std": float(np.std(v, ddof=1)) if len(v) > 1 else 0.0, "values": v}
        for name, v in values.items()
    }
    result = {"preset": chosen.name, "protocol": chosen.train.protocol, "seeds": list(seeds), "metrics": metrics}
    write_text(Path(out) / "seeds.json", json.dumps(result, indent=2) + "\n")
    return result


def print_seeds(result: dict[str, Any]) -> None:
    """Print mean ± standard deviation of every number over the seeds, in percent."""
    print(f"{result['preset']}, seeds {', '.join(map(str, result['seeds']))}, protocol {result['protocol']}, in %")
    for name, value in result["metrics"].items():
        if name.endswith("/n"):
            continue
        print(f"{name}  {100 * value['mean']:.2f} ± {100 * value['std']:.2f}")
