"""Forms of what is asked and answered over HTTP, as JSON."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from saymask.io.rle import decode_rle
from saymask.masks import Masks
from saymask.scan import Scan
from saymask.scene.clicks import MOST_CLICKS

MOST_AT_ONCE = 256
"""Sentences or names in one request."""
Number = Annotated[int, Field(ge=0, lt=2**31)]
Unit = Literal["m", "cm", "mm", "in", "ft"]
Up = Literal["x", "y", "z", "-x", "-y", "-z"]
Format = Literal["json", "npz", "ply", "glb", "png"]
View = Literal["auto", "front", "back", "left", "right", "top", "camera"]


class Asked(BaseModel):
    """Form of a request: nothing but what it names, in the types that it names."""

    model_config = ConfigDict(extra="forbid", strict=True)


class FileForm(Asked):
    """Options of a scan's file."""

    unit: Unit | None = Field(None, description="length unit of the file; detected without it")
    up: Up | None = Field(None, description="axis of the file that points up; detected without it")


class PathForm(FileForm):
    """A scan below the server's root."""

    path: str = Field(min_length=1, max_length=4096, description="path below the server's root")


class UploadForm(FileForm):
    """Name and options of a file that is sent."""

    name: str = Field(min_length=1, max_length=255, description="the file's name; its suffix says what it is")


class ReferForm(Asked):
    """Sentences, each of which means one object, several, or none."""

    sentences: list[str] = Field(min_length=1, max_length=MOST_AT_ONCE)
    count: Literal["one", "any"] | None = Field(
        None, description="one: exactly one mask; any: one per object, or none; null: as the model was trained"
    )


class FindForm(Asked):
    """Words, of which every object that they name is wanted."""

    names: list[str] = Field(min_length=1, max_length=MOST_AT_ONCE)
    threshold: float | None = Field(None, ge=0, le=1, description="relevance from which something fits")


class ClickForm(Asked):
    """Places in metres, z up, in the scan's own frame."""

    points: list[list[float]] = Field(min_length=1, max_length=MOST_CLICKS)
    positive: bool | list[bool] | None = Field(
        None, description="per click, or for all: on the object (true, as null), or off it (false)"
    )
    objects: Number | list[Number] | None = Field(
        None, description="per click, or for all: the number of its object; null: each click is about its own"
    )


class SemanticForm(Asked):
    """Classes of which every point gets one."""

    classes: str | list[str] | None = Field(
        None, description="null: the model's own; the name of a label set, or names of classes"
    )


class OutputForm(BaseModel):
    """The kind of an answer, in the query of an address."""

    model_config = ConfigDict(extra="forbid")
    format: Format = Field("json", description="json: run lengths; a file of the scan with its masks; or a picture")
    colored: bool | None = Field(None, description="paint the masked points (ply) or faces (glb)")
    width: int = Field(1280, ge=160, le=4096, description="pixels of a picture")
    height: int = Field(960, ge=120, le=4096, description="pixels of a picture")
    view: View = Field("auto", description="side from which a picture is taken")


class ScanForm(BaseModel):
    """A scan that the server knows."""

    id: str
    name: str
    path: str | None = Field(description="path below the server's root; null for an upload")
    bytes: int
    unit: Unit | None
    up: Up | None
    points: int = Field(description="points of the file")
    low: list[float] = Field(description="smallest corner, metres")
    high: list[float] = Field(description="largest corner, metres")
    mesh: bool
    colors: bool
    messages: list[str] = Field(description="what was noticed when it was read: units, axes, dropped points")
    created: str
    encoded: bool = Field(description="whether it is in memory, so that questions are answered at once")


class MaskForm(BaseModel):
    """One mask over the points of a scan's file."""

    name: str
    score: float
    points: int
    box_min: list[float]
    box_max: list[float]
    label: int | None = Field(None, description="class id; absent in answers without classes")
    counts: list[int] = Field(description="run lengths over the file's points in order, zeros first")


class MasksForm(BaseModel):
    """The masks of one answer (`Masks.to_dict`)."""

    format: Literal["saymask-rle-1"]
    scan: str
    points: int = Field(description="points of the file")
    message: str = Field(description="what the user should know, such as that nothing fits")
    masks: list[MaskForm]
    file: str
    transform: list[list[float]] = Field(description="file coordinates to metres with z up, [4, 4]")

    def __len__(self) -> int:
        return len(self.masks)

    def bits(self, i: int) -> np.ndarray:
        """Return mask i over the points of the file, bool [points]."""
        return decode_rle(self.masks[i].counts, self.points)

    def over(self, scan: Scan) -> Masks:
        """Return the masks over a scan that was loaded from the same file; raises InputError for another."""
        return Masks.from_json(scan, self.model_dump(exclude_none=True))


class AnswerForm(BaseModel):
    """Answers to one request, in the order of what was asked."""

    model: str
    caution: str = Field(description="a warning about the answers; may be empty")
    seconds: float = Field(description="time of the answer itself, without waiting and encoding")
    results: list[MasksForm]


class ModelForm(BaseModel):
    """The model that a server asks."""

    name: str
    system: str
    verbs: list[str]
    data: str
    caution: str
    version: str = Field(description="of saymask")


class HealthForm(BaseModel):
    """State of a server that answers."""

    status: Literal["ok"]
    scans: int
    encoded: int
    taken: int = Field(description="places of the queue that are taken")


class ErrorForm(BaseModel):
    """An error, in words, with the id under which it is in the server's log."""

    error: str
    request_id: str


def schema_of(form: type[BaseModel]) -> dict[str, Any]:
    """Return where a form lies in the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{form.__name__}"}
