"""Changed attributes of rare things: other colours and sizes of their points, or features led to "a red lamp".

Attribute ids: 0 none, 1 red, 2 green, 3 blue, 4 yellow, 5 dark, 6 bright, 7 enlarged, 8 shrunk, as in
`saymask.models.lground.anchors.ATTRIBUTES`. Source: docs/systems/lground.md §2.8.
"""

import numpy as np
import torch
from torch import Tensor

from saymask.errors import InputError
from saymask.models.lground.anchors import ATTRIBUTES
from saymask.models.lground.transform import Cloud, Draws, hsv_to_rgb, rgb_to_hsv

COLOUR_CHANCE, SIZE_CHANCE, LATENT_CHANCE = 0.5, 0.2, 0.5
HUES = {1: 0.0, 2: 1 / 3, 3: 2 / 3, 4: 1 / 6}
SATURATION = 0.6
"""Saturation that a coloured thing has at least, or grey things would stay grey (ours)."""
DARK, BRIGHT, LARGER, SMALLER = 5, 6, 7, 8
RIDGE = 1e-3
"""Weight of the squared size of a map against its squared error."""


def change_attributes(cloud: Cloud, tail: np.ndarray, draw: Draws) -> tuple[Cloud, np.ndarray]:
    """Return the cloud with other colours or sizes of some instances of rare classes, and the attributes int64 [N].

    tail: bool [C], the rare classes. Each of their instances changes its colour with probability 0.5, else its size
    with 0.2: about its middle in x and y, and its lowest point in z.
    """
    points, colors = cloud.points.astype(np.float64), cloud.colors.astype(np.float32)
    attributes = np.zeros(len(cloud), np.int64)
    rare = (cloud.labels >= 0) & tail[cloud.labels] & (cloud.instances >= 0)
    room = np.ptp(points[:, :2], axis=0) if len(points) else np.zeros(2)
    for instance in np.unique(cloud.instances[rare]):
        rows = np.flatnonzero(rare & (cloud.instances == instance))
        if draw.python.random() < COLOUR_CHANCE:
            attribute = draw.python.randint(1, BRIGHT)
            colors[rows] = coloured(colors[rows], attribute)
        elif draw.python.random() < SIZE_CHANCE:
            larger = draw.numpy.uniform(0, 2) > 1
            size = np.ptp(points[rows, :2], axis=0)
            most = max(1.0, min(1.5, float((room / np.maximum(size, 1e-6)).min())))
            factor = draw.numpy.uniform(1, most) if larger else draw.numpy.uniform(0.5, 1)
            low, high = points[rows].min(0), points[rows].max(0)
            about = np.array([*((low + high) / 2)[:2], low[2]])
            points[rows] = about + (points[rows] - about) * factor
            attribute = LARGER if larger else SMALLER
        else:
            continue
        attributes[rows] = attribute
    return Cloud(points, colors, cloud.labels, cloud.instances), attributes


def coloured(colors: np.ndarray, attribute: int) -> np.ndarray:
    """Return colours float32 [n, 3] in 0..255 as an attribute 1..6 says them."""
    if attribute == DARK:
        return colors * np.float32(0.5)
    if attribute == BRIGHT:
        return 255 - (255 - colors) * np.float32(0.5)
    hsv = rgb_to_hsv(colors)
    hsv[:, 0] = HUES[attribute]
    hsv[:, 1] = np.maximum(hsv[:, 1], SATURATION)
    return hsv_to_rgb(hsv).astype(np.float32)


def joined(labels: np.ndarray, attributes: np.ndarray, classes: int) -> np.ndarray:
    """Return class and attribute of each point as one number, so that they stay together; -1 stays."""
    return np.where(labels >= 0, labels + classes * attributes, labels)


def parted(numbers: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels and the attributes (0 where there is no label) of `joined` numbers."""
    return np.where(numbers >= 0, numbers % classes, numbers), np.maximum(numbers, 0) // classes


def attribute_maps(anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Return (float32 [A, D, D], [A, D]): feature @ map + offset leads from plain names to those with each attribute.

    anchors: float [C, A, D], the names with each attribute, plain ones first. Fitted to them by ridge regression of the
    differences, so that what no name tells about stays as it is; that of attribute 0 changes nothing. (The published
    maps were fitted to the same prompts in a way that is not told.)
    """
    if anchors.ndim != 3 or anchors.shape[1] != len(ATTRIBUTES):
        raise InputError(f"attributes: expected anchors [C, {len(ATTRIBUTES)}, D], got {list(anchors.shape)}")
    plain = anchors[:, 0].double()
    mean = plain.mean(0)
    centred = plain - mean
    gram = centred @ centred.T
    ridge = RIDGE * gram.diagonal().mean().clamp(min=1e-12) * torch.eye(len(plain)).to(gram)
    solved = centred.T @ torch.linalg.inv(gram + ridge)  # [D, C]
    differences = anchors.double() - plain[:, None]  # [C, A, D]
    middle = differences.mean(0)  # [A, D]
    change = torch.einsum("dc,cae->ade", solved, differences - middle)
    maps = change + torch.eye(plain.shape[1]).to(change)
    offsets = middle - torch.einsum("d,ade->ae", mean, change)
    return maps.float(), offsets.float()


def changed_features(
    features: Tensor,  # float [V, D]
    labels: Tensor,  # int64 [V], -1 ignored
    tail: Tensor,  # bool [C]
    maps: tuple[Tensor, Tensor],
) -> tuple[Tensor, Tensor]:
    """Return the features with those of some rare classes led to an attribute, and the attributes int64 [V].

    Each rare class of the batch is changed with probability 0.5, all its voxels to the same attribute.
    """
    attributes = torch.zeros_like(labels)
    for label in labels.unique().tolist():
        if label >= 0 and bool(tail[label]) and float(torch.rand(())) < LATENT_CHANCE:
            attributes[labels == label] = int(torch.randint(1, len(ATTRIBUTES), ()))
    out = features.clone()
    for attribute in attributes.unique().tolist():
        if attribute:
            rows = attributes == attribute
            out[rows] = features[rows] @ maps[0][attribute].to(features) + maps[1][attribute].to(features)
    return out, attributes
