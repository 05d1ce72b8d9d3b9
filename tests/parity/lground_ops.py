"""LGround: convolutions and quantisation of MinkowskiEngine."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from saymask.sparse import build_map, build_sites, sparse_conv, use_backend
from saymask.sparse.importers import from_minkowski
from saymask.sparse.keys import pack_keys
from saymask.sparse.quantize import sparse_quantize
from tests.parity import Check, case, placed


def _sorted(coords: np.ndarray, feats: np.ndarray) -> tuple[Tensor, Tensor, np.ndarray]:
    """Sites on the original lattice as (keys, features in key order, row of each input row)."""
    order = np.lexsort(coords.T[::-1])
    rows = np.empty_like(order)
    rows[order] = np.arange(len(order))
    return pack_keys(placed(coords[order])), placed(feats[order]), rows


def _conv(tag: str, data: dict[str, Any]) -> Tensor:
    """Run the convolution `k{size}s{stride}[_ts2|_tr]`; rows as in `{tag}_coords`."""
    size, stride, kind = re.fullmatch(r"k(\d)s(\d)(?:_(\w+))?", tag).groups()
    size, stride = int(size), int(stride)
    fine_keys, fine_feats, _ = _sorted(data["coords"], data["feats"])
    down_keys, down_feats, _ = _sorted(data["down_coords"], data["down_feats"])
    weight = from_minkowski(placed(data[f"{tag}_kernel"]))
    bias = placed(data[f"{tag}_bias"]) if f"{tag}_bias" in data else None
    out_keys, _, out_rows = _sorted(data[f"{tag}_coords"], data[f"{tag}_feats"])
    if kind == "tr":
        in_keys, feats, step = (fine_keys, fine_feats, 1) if stride == 1 else (down_keys, down_feats, 1)
        kernel_map = build_map(out_keys, in_keys, size, step=step).transposed
    else:
        step = 2 if kind == "ts2" else 1
        in_keys, feats = (down_keys, down_feats) if kind == "ts2" else (fine_keys, fine_feats)
        kernel_map = build_map(in_keys, in_keys if torch.equal(in_keys, out_keys) else out_keys, size, step=step)
    return sparse_conv(feats, weight, kernel_map, bias)[placed(out_rows)]


@case("lground", "ops_me", "ops_me_neg")
def ops_me(data: dict[str, Any], path: Path) -> Iterator[Check]:
    pyramid = build_sites(placed(data["coords"]), 3)
    feats = placed(data["feats"])[pyramid.order]
    fine = pyramid.levels[0]
    down = sparse_conv(feats, from_minkowski(placed(data["down_kernel"])), fine.down)
    for level, name in ((1, "down"), (2, "k2s2_ts2")):  # coarse sites: true floor, kept on the original lattice
        lattice = pyramid.levels[level].coords * placed([1, 2**level, 2**level, 2**level])
        order = np.lexsort(data[f"{name}_coords"].T[::-1])
        yield Check(f"{name}_coords", lattice, data[f"{name}_coords"][order])
        if level == 1:
            yield Check("down_feats", down, data["down_feats"][order], 1e-5, 1e-4)
    coarse = placed(data["down_feats"])[np.lexsort(data["down_coords"].T[::-1])]
    bias = placed(data["k2s2_tr_bias"])
    up = sparse_conv(coarse, from_minkowski(placed(data["k2s2_tr_kernel"])), fine.up, bias)
    rows = pack_keys(placed(data["k2s2_tr_coords"]))
    at = torch.searchsorted(fine.keys, rows)
    yield Check("k2s2_tr_feats (pyramid)", up[at], data["k2s2_tr_feats"], 1e-5, 1e-4)
    for tag in sorted({m[1] for m in (re.fullmatch(r"(k\d.*)_kernel", key) for key in data) if m}):
        for backend in ("auto", "torch"):
            with use_backend(backend):
                yield Check(f"{tag} ({backend})", _conv(tag, data), data[f"{tag}_feats"], 1e-5, 1e-4)


@case("lground", "quantize")
def quantize(data: dict[str, Any], path: Path) -> Iterator[Check]:
    for compat, name in ((False, "colabels_intended"), (True, "colabels_official")):
        got = sparse_quantize(data["points"], float(data["voxel"]), labels=data["labels"], compat=compat)
        yield Check(f"unique_map ({name})", got.unique_map, data["unique_map"])
        yield Check(f"inverse_map ({name})", got.inverse_map, data["inverse_map"])
        yield Check(name, got.labels, data[name])
    plain = sparse_quantize(data["points"] / float(data["voxel"]))
    yield Check("unique_map", plain.unique_map, data["unique_map"])
