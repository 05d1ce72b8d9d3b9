"""From nothing to numbers: make rooms, prepare them, train a small model for a few steps, measure it, compare.

    python examples/09_train_and_evaluate.py

A minute of training shows the way and nothing else: the numbers of such a model are near zero.
"""

from pathlib import Path

from saymask.data.prepare.folder import prepare
from saymask.evaluation.request import Request
from saymask.evaluation.run import evaluate
from saymask.rooms.generate import generate
from saymask.training.run import train


def main(out: Path = Path("out/rooms"), steps: int = 4) -> None:
    generate(out / "raw", {"train": 2, "val": 1}, workers=1, quiet=True)  # ScanNet's layout: yours goes here
    report = prepare(out / "raw", out / "data", quiet=True)
    assert report.ok

    settings = {"batch_size": 2, "workers": 0, "max_val": 4}  # --train.batch-size, … of the command
    card = train("less.rooms", out / "data", out / "run", overrides=settings, max_steps=steps, quiet=True)
    print(card["name"], "trained on", card["data"])

    request = Request(out / "data", protocol="3dres", limit=8, quiet=True)
    for model in (out / "run" / "last.safetensors", "uniseg3d.rooms"):
        result = evaluate(model, request)
        overall = result["metrics"]["overall"]
        print(f"{model}: {result['protocol']} mIoU {100 * overall['miou']:.1f} over {overall['n']} sentences")


if __name__ == "__main__":
    main()
