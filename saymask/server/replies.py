"""Masks as the body of an answer: JSON, a file of the scan with its masks, or a picture."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from saymask.errors import InputError
from saymask.io.export import export, stem
from saymask.masks import Masks
from saymask.render.labels import Click
from saymask.render.picture import draw
from saymask.server.forms import OutputForm

MEDIA = {
    "json": "application/json",
    "npz": "application/octet-stream",
    "ply": "application/octet-stream",
    "glb": "model/gltf-binary",
    "png": "image/png",
}


@dataclass(frozen=True)
class Reply:
    """Body of an answer."""

    content: bytes
    media: str
    name: str = ""
    """Name under which a browser saves it."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers beside the media type."""
        return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(self.name)}"} if self.name else {}


def check_output(output: OutputForm, asked: int) -> None:
    """Raise InputError for a file or picture of several answers."""
    if output.format != "json" and asked != 1:
        raise InputError(f"format={output.format}: expected one sentence, got {asked:,}; ask for each alone")


def reply(answers: Sequence[Masks], output: OutputForm, facts: dict[str, Any], clicks: Sequence[Click] = ()) -> Reply:
    """Return answers in the kind that was asked for; `facts` stand beside them in JSON.

    Raises InputError as `Masks.save` and `draw` do.
    """
    if output.format == "json":
        content = {**facts, "results": [masks.to_dict() for masks in answers]}
        return Reply(json.dumps(content, ensure_ascii=False).encode(), MEDIA["json"])
    (masks,) = answers
    if output.format == "png":
        picture = draw(masks.scan, masks, size=(output.width, output.height), view=output.view, clicks=clicks)
        out = io.BytesIO()
        picture.save(out, "PNG")
        return Reply(out.getvalue(), MEDIA["png"], f"{stem(masks.scan.name)}_masks.png")
    name, content = export(masks, output.format, colored=output.colored)
    return Reply(content, MEDIA[output.format], name)
