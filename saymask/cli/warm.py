"""Kernels compiled ahead of the first question, for machines on which it should not wait for them."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from saymask.cli.demo import make_example
from saymask.util.temporaries import temporary_folder

if TYPE_CHECKING:
    from saymask.masks import Masks
    from saymask.scene.scene import Scene

ASK: dict[str, Callable[["Scene"], "Masks"]] = {
    "refer": lambda scene: scene.refer("the table"),
    "find": lambda scene: scene.find(["table"]),
    "click": lambda scene: scene.click(scene.scan.points[0]),
    "semantic": lambda scene: scene.semantic(),
    "instances": lambda scene: scene.instances(),
    "panoptic": lambda scene: scene.panoptic(),
}
"""A question for each verb."""


def warm(say: Callable[[str], None]) -> None:
    """Compile what answers need: ask every model that is installed everything about a made room.

    First as a mesh and then as points alone, which are cut into patches in another way; with a picture, and the
    convolutions of a training step. `say` is told what comes next.
    """
    import numpy as np

    from saymask.hub.checkpoints import load_model
    from saymask.hub.headers import list_models
    from saymask.io.load import load_scan
    from saymask.masks import Masks
    from saymask.render.picture import render
    from saymask.scene.scene import Scene

    with temporary_folder() as folder:
        say("making a room")
        mesh = load_scan(make_example(folder), quiet=True)
        scans = (mesh, replace(mesh, faces=None))
        for name in (card["name"] for card in list_models()):
            say(f"compiling what {name} needs")
            model = load_model(name)
            for scan in scans:
                scene = Scene(model, scan)
                for verb in model.verbs:
                    ASK[verb](scene)
        say("compiling what pictures need")
        for scan in scans:
            render(scan, Masks.from_points(scan, np.arange(len(scan)) < 1000), folder / "room.png")
    say("compiling what training needs")
    _train()


def _train() -> None:
    """Run the convolutions of a training step in float32 and bfloat16."""
    import torch

    from saymask.sparse import build_sites, subm_conv

    coords = torch.cartesian_prod(torch.arange(1), *[torch.arange(4)] * 3).int()
    sites = build_sites(coords, 2).levels[0]
    for low in (False, True):
        with torch.autocast("cpu", enabled=low):
            x, weight = torch.ones(len(sites), 8, requires_grad=True), torch.ones(27, 8, 8, requires_grad=True)
            subm_conv(x, weight, sites).sum().backward()
