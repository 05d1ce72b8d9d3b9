"""Request: the options of an evaluation apart from the model, handed on as one object."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from saymask.errors import InputError
from saymask.io.frames import EVERY
from saymask.util.files import check_writable

PAIR = "clip-vit-l14-336"
"""The image and text model of the published open-vocabulary evaluation."""
SHEET = "sheet.png"
"""Name of the picture that shows all pictures of an evaluation."""
ALL = "all"
"""The task that stands for every task that the model answers."""


@dataclass(frozen=True)
class Request:
    """The measurement that is asked for: task, data and rules; each field is a flag of `saymask evaluate`."""

    data: Path
    """Folder written by `saymask prepare`."""
    task: Literal["refer", "semantic", "instances", "panoptic", "click", "find", "all"] = "refer"
    """Task to measure: refer (sentences), semantic (the class of every point), instances (objects with classes),
    panoptic (both at once), click (one on each object), find (names of what is there), or all that the
    model answers, each scan encoded once."""
    protocol: str | None = None
    """The rules. refer, one object per sentence: 3dres (IoU > t; the default), less (IoU > t, fallback below 100
    points), scanrefer (IoU >= t), scanrefer-box (with boxes); none, one or many: 3dgres (IoU > t of the union, no
    target right or wrong), multi3drefer-f1 (F1 of the objects' boxes); Nr3D and Sr3D: referit3d (IoU >= t, in groups
    easy, hard, view-dependent, view-independent). semantic (mIoU), instances (AP, without wall and floor) and
    find (mIoU and chance): scannet200 (200 classes), scannet (20); by default the first one with the model's
    classes. panoptic (PQ) and click (mIoU, AP): scannet. Every task also has uniseg3d, the rules of UniSeg3D's
    published numbers. all: by default the default of each task and uniseg3d side by side; plain (the defaults alone);
    or any of these, of which the tasks that have it are measured."""
    split: str = "val"
    """train, val, or another that was prepared; of scans without labels, such as those of test, --export writes the
    answers."""
    source: Literal["scanrefer", "multi3drefer", "nr3d", "sr3d"] | None = None
    """refer and all: whose sentences; without it those that the protocol is defined on."""
    click_distances: bool = False
    """click only: click on each object at 0.1, 0.2, … 1.0 of its radius, and on a random point of it."""
    frames: Path | None = None
    """find and all: folder with the scans' posed frames (<scan>.sens, <scan>/color, depth, pose), by which CLIP names
    the model's masks, as in the published evaluation; without it the model names them itself."""
    image_encoder: str = PAIR
    """With frames: CLIP, by name or a local folder with both of its halves."""
    image_masks: Path | None = None
    """With frames: folder with a folder per scan of masks that another program found in the frames (<number>.png or
    .npz), as published; without it each frame shows the model's own masks."""
    every: int = EVERY
    """With frames: use those whose number is a multiple of this."""
    export: Path | None = None
    """File or folder for the predictions. refer: one file (.json, .json.gz), or a folder with a file per sentence;
    semantic and instance: a folder for the benchmark's submission files."""
    submission: Path | None = None
    """refer: file (.json) for ScanRefer's benchmark, a box per sentence; also about scans without labels."""
    colored: bool = False
    """With export of semantic or instances: also <scan>.ply, coloured by class or by object."""
    allow_missing: bool = False
    """Score predictions that lack some sentences or scans; they are left out and counted."""
    json: Path | None = None
    """File to write the numbers to, with the single results and where they come from."""
    rows: Path | None = None
    """refer and click: file for a row per sentence or click (.csv, .jsonl, .parquet)."""
    pictures: Path | None = None
    """refer: folder for pictures of predictions beside the truth, and a sheet of them."""
    most_pictures: int = 12
    """Pictures to draw."""
    worst: bool = False
    """Draw the predictions with the lowest IoU; without it they are spread evenly over the sentences."""
    per_class: bool = False
    """Print a row per class, too."""
    processes: int = 1
    """Scenes are shared out among this many processes; the result is the same."""
    limit: int | None = None
    """Use only this many annotations (refer) or scans (all other tasks), spread evenly."""
    baselines: bool = True
    """Whether the baselines that need no model are measured, too."""
    device: str = "auto"
    """auto, cpu, cuda, …"""
    text_encoder: str | None = None
    """Folder with the model's text encoder, where it is neither in the checkpoint nor in the hub's cache."""
    settings: tuple[str, ...] = ()
    """Settings of the checkpoint's configuration to change, NAME=VALUE, such as clustering.radius=1, unshifted=counter,
    or view.voxel_to_point=nearest_corner."""
    quiet: bool = False
    """No progress bar."""

    def __post_init__(self) -> None:
        for name in ("data", "frames", "image_masks", "export", "submission", "json", "rows", "pictures"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, Path(value))

    def check(self) -> None:
        """Raise InputError for what does not fit together, and for a path that could not be written after the work."""
        if self.processes < 1 or (self.limit is not None and self.limit < 1):
            raise InputError(f"expected processes >= 1 and limit >= 1, got {self.processes} and {self.limit}")
        if self.source is not None and self.task not in ("refer", ALL):
            raise InputError(
                f"source: expected none for task {self.task!r}, which needs no sentences, got {self.source!r}"
            )
        if self.click_distances and self.task != "click":
            raise InputError(f"click_distances: expected task 'click', got {self.task!r}")
        self._check_frames()
        self.changes()
        if self.submission is not None:
            if self.task != "refer" or self.submission.suffix != ".json":
                raise InputError(
                    f"submission: expected a .json file of task refer, got {self.submission}, {self.task!r}"
                )
            check_writable(self.submission)
        if self.colored and (self.export is None or self.task not in ("semantic", "instances")):
            raise InputError(f"colored: expected export of task semantic or instances, got task {self.task!r}")
        if self.export is not None and self.task == ALL:
            raise InputError(
                f"export: expected none for task {ALL!r}, got {str(self.export)!r}; export one task at a time"
            )
        if self.json is not None:
            check_writable(self.json)
        if self.rows is not None:
            from saymask.evaluation.rows import check_rows_file

            if self.task not in ("refer", "click"):
                raise InputError(f"rows: expected task refer or click, got {self.task!r}")
            check_rows_file(self.rows)
        if self.pictures is not None:
            if self.task != "refer":
                raise InputError(f"pictures: expected task refer, got {self.task!r}")
            if self.most_pictures < 1:
                raise InputError(f"most_pictures: expected 1 or more, got {self.most_pictures}")
            check_writable(self.pictures / SHEET)

    @property
    def keeps_answers(self) -> bool:
        """Whether answers are written, also those about scans without labels."""
        return self.export is not None or self.submission is not None

    def changes(self) -> dict[str, str]:
        """Return the settings to change by name; InputError for one that is no NAME=VALUE."""
        found = {}
        for text in self.settings:
            name, equals, value = text.partition("=")
            if not (name and equals):
                raise InputError(f"settings: expected NAME=VALUE, such as clustering.radius=1, got {text!r}")
            found[name.replace("-", "_")] = value
        return found

    def _check_frames(self) -> None:
        if self.frames is None:
            if self.image_masks is not None:
                raise InputError("image_masks: expected frames that the masks are of (--frames FOLDER), got none")
            return
        if self.task not in ("find", ALL):
            raise InputError(f"frames: expected task 'find' or {ALL!r}, got {self.task!r}")
        for name in ("frames", "image_masks"):
            folder = getattr(self, name)
            if folder is not None and not folder.is_dir():
                raise InputError(f"{name}: expected a folder with those of every scan, {folder} is none")
        if self.every < 1:
            raise InputError(f"every: expected 1 or more, got {self.every}")
