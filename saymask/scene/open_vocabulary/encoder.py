"""Images and words in one space: CLIP's two halves from one folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saymask.data.prepare.image_features import ImageOptions, load_encoder
from saymask.errors import InputError
from saymask.nn.clip_image import ImageEncoder
from saymask.text.encoder import TextEncoder, encoder_from_folder
from saymask.text.weights import find_weights

PUBLISHED = "clip-vit-l14-336"
"""The model of the published open-vocabulary step (docs/systems/uniseg3d.md §6.7)."""
_LONGEST = 4
"""Sides of a crop at most; CLIP sees only the square in its middle, and a strip would become a huge image before."""
_PROJECTION = "visual_projection.weight"


class PairEncoder(Protocol):
    """Encoder of images and words into one space, in which the cosine says how well they fit."""

    def images(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """Return float32 [K, D] of images uint8 [h, w, 3] of any sizes."""
        ...

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [T, D] of words."""
        ...


class ClipPair(nn.Module):
    """CLIP's image and text half. Features are projected and of length 1; those of words are kept for the next time."""

    def __init__(self, image: ImageEncoder, projection: Tensor, text: TextEncoder) -> None:
        """`projection` float [D, width] is that of the image half."""
        super().__init__()
        self.image, self.text = image, text
        self.projection = nn.Parameter(projection, requires_grad=False)
        self._known: dict[str, np.ndarray] = {}

    @torch.inference_mode()
    def images(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """Return float32 [K, D] of images uint8 [h, w, 3]: what CLIP sees of each is the square in its middle."""
        out = [np.zeros((0, len(self.projection)), np.float32)]
        size = 32 if self.projection.is_cuda else 4
        for start in range(0, len(crops), size):
            pixels = torch.stack([self.image.preprocess(_middle(crop)) for crop in crops[start : start + size]])
            pooled = self.image.model(pixel_values=pixels.to(self.projection.device)).pooler_output
            out.append(F.normalize(pooled.float() @ self.projection.T, dim=1).cpu().numpy())
        return np.concatenate(out)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 [T, D] of the bare texts."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), 64):
            part = new[start : start + 64]
            self._known |= zip(part, F.normalize(self.text(part).sentence.float(), dim=1).cpu().numpy())
        return np.stack([self._known[text] for text in texts])


def unit(features: np.ndarray) -> np.ndarray:
    """Return float32 [K, D], features as rows of length 1; rows of 0 stay."""
    features = np.asarray(features, np.float32)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _middle(crop: np.ndarray) -> np.ndarray:
    """Return a crop without the ends of a long strip."""
    for axis in (0, 1):
        most = _LONGEST * crop.shape[1 - axis]
        if crop.shape[axis] > most:
            start = (crop.shape[axis] - most) // 2
            crop = np.take(crop, range(start, start + most), axis=axis)
    return crop


def load_pair(name: str | Path = PUBLISHED, device: str = "auto") -> ClipPair:
    """Return CLIP from a local folder (config.json, model.safetensors, tokenizer) or by a name of `text.sources`.

    device: auto, cpu, cuda, …. Raises InputError for a folder without both halves, and for weights that are not to be
    had.
    """
    from safetensors import safe_open

    folder = find_weights(str(name), flag="--image-encoder")
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise InputError(f"{folder}: expected CLIP as transformers saves it (config.json, model.safetensors), got none")
    text = encoder_from_folder(folder, str(name))
    if text.kind != "clip":
        raise InputError(f"{folder}: expected a CLIP model, which knows images and words, got a {text.kind} model")
    image = load_encoder(ImageOptions(weights=str(folder), device=device))
    with safe_open(weights, framework="pt") as file:
        if _PROJECTION not in file.keys():  # noqa: SIM118
            raise InputError(f"{folder}: expected both halves of CLIP, got no {_PROJECTION}; save the whole model")
        projection = file.get_tensor(_PROJECTION).float()
    if projection.shape != (text.sentence_dim, image.dim):
        raise InputError(
            f"{folder}: expected {_PROJECTION} [{text.sentence_dim}, {image.dim}], got {list(projection.shape)}"
        )
    return ClipPair(image, projection, text).to(next(image.parameters()).device).eval().requires_grad_(False)
