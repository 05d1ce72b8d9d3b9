"""Options that several commands share, and the checks that are made before any work."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import FlagCreatePairsOff

from saymask.cli.preferences import preferences
from saymask.errors import InputError
from saymask.util.devices import check_device
from saymask.util.engines.engine import Engine
from saymask.util.files import check_picture, check_writable

Switch = Annotated[bool, FlagCreatePairsOff]


@dataclass(frozen=True)
class PromptOptions:
    """The options of every command that asks a model about a scan; field by field a flag."""

    model: str | None = None
    """Name or path of a checkpoint; without it the embedded one that answers this best (`saymask models`)."""
    out: Path | None = None
    """File for the scan with mask columns (.ply, .npz, .las, .laz), run lengths (.json) or a mesh (.glb, .obj). With
    several scans or sentences a folder: NAME.json per scan; what is there already is not done again."""
    format: tuple[Literal["ply", "npz", "las", "laz", "glb", "obj", "png"], ...] = ()
    """With several scans or sentences: what is written to --out beside NAME.json."""
    picture: Path | None = None
    """File for a picture (PNG); with several scans or sentences a contact sheet of the pictures in --out."""
    turntable: Path | None = None
    """File for a picture that turns (GIF)."""
    json_: Annotated[Switch, tyro.conf.arg(name="json")] = False
    """Print one JSON object on standard output; everything else goes to standard error."""
    unit: Literal["m", "cm", "mm", "in", "ft"] | None = None
    """Length unit of the file; detected without it."""
    up: Literal["x", "y", "z", "-x", "-y", "-z"] | None = None
    """Axis of the file that points up; detected without it."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, …"""
    text_encoder: str | None = None
    """Folder with the model's text encoder, where it is neither in the checkpoint nor in the hub's cache."""
    adapt: float | None = None
    """Weight 0..1 of the scan's own norm statistics, for scans unlike those of training; the model's setting without
    it."""
    engine: Literal["process", "ray"] = "process"
    """With several scans: processes of this machine, or a Ray cluster (docs/scale.md)."""
    workers: int | None = None
    """With several scans: processes that each load the model; 1, or as many as the cluster has CPUs or GPUs."""
    address: str | None = None
    """With --engine ray: HOST:PORT of the cluster's head; without it the cluster that this machine belongs to."""

    def checked(self) -> "PromptOptions":
        """Return the options with what the user always wants filled in; raise InputError for settings out of range."""
        liked = preferences()
        device = liked.device_or(self.device)
        check_device(device)
        if self.adapt is not None and not 0 <= self.adapt <= 1:
            raise InputError(f"--adapt: expected a weight from 0 (stored statistics) to 1, got {self.adapt}")
        return replace(self, device=device, text_encoder=self.text_encoder or liked.text_encoder)

    def spread(self) -> Engine:
        """Return where several scans are worked on."""
        return Engine(self.engine, self.workers, self.address)

    def check_outputs(self, *, several: bool) -> None:
        """Raise InputError for outputs that could not be written after all the work.

        several: whether there are several scans or sentences, whose results go to a folder.
        """
        if self.picture is not None:
            check_picture(self.picture)
        if several:
            self._check_folder()
            return
        if self.spread() != Engine():
            raise InputError("--engine, --workers and --address: expected only with several scans or sentences")
        if self.turntable is not None:
            check_picture(self.turntable, ".gif")
        if self.format:
            raise InputError("--format: expected only with several scans or sentences; name the file by --out FILE")
        if self.out is not None:
            from saymask.masks import check_format

            check_writable(self.out)
            check_format(self.out)

    def _check_folder(self) -> None:
        if self.turntable is not None:
            raise InputError("--turntable: expected one scan and one question, got several")
        if self.out is None:
            if self.format or self.picture is not None:
                raise InputError("several scans or sentences: --format and --picture expect --out FOLDER beside them")
            return
        from saymask.masks import FORMATS

        if self.out.suffix.lower() in FORMATS and not self.out.is_dir():
            raise InputError(
                f"--out: expected a folder for the results of several scans or sentences, got {self.out}; choose the "
                "kinds of files by --format"
            )
        check_writable(self.out / "x.json")


# An empty name: the fields become flags of the command itself, without a prefix.
Prompted = Annotated[PromptOptions, tyro.conf.arg(name="")]
