"""Extensions: what this model does beyond the paper, each idea switched on in the configuration where it says (ours).

1. Objects of a scan: its confident masks without doubles, each in one place (`config.connected`), which sentences and
   words are compared with.
2. Any number (`config.any_number`): the objects that a sentence means; the published answer is one mask per sentence.
   And clicks that are answered with an object of the scan (`config.click_objects`), and those on wall and floor
   (`config.surfaces`), which as published are about things alone.
3. Names (`find`): unnamed masks compared with texts instead of classes. The published open-vocabulary step names them
   by CLIP features of posed frames (docs/systems/uniseg3d.md §6.7), which a scan alone does not have.
4. Vocabulary (`config.vocabulary_weight`): names beyond the 20 classes, which training tells apart.

`model.py` calls them where it says "ours"; the switches inside the network (`position_encoding`, `words`,
`texts_see_all`) are in `decoder.py`, those of the training data (`others`, `held_out`) in `batch.py`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from saymask.answers import Objects
from saymask.errors import InputError
from saymask.labels.tables import scannet200
from saymask.models.uniseg3d.config import CLASSES, FLOOR, STUFF, UniSeg3DConfig
from saymask.models.uniseg3d.encoded import BENCHMARK, EncodedScan, Semantics
from saymask.models.uniseg3d.heads import class_logits
from saymask.models.uniseg3d.outputs import LayerOutputs
from saymask.models.uniseg3d.postprocess import (
    ENTRIES_AT_ONCE,
    Found,
    OwnParts,
    class_agnostic,
    mean_over,
    points,
    weighted_mean,
)
from saymask.nn.blocks import full_precision
from saymask.text.relevance import is_word, rise

SAME_OBJECT = 0.5
"""IoU of points from which two masks are taken for the same object."""
LEAST = 0.2
"""Mean probability that the likeliest object needs where exactly one is asked for."""
SAME_MEANING = 0.5
"""Share of the way from the mean similarity of a name to all classes to 1 from which a class means the same."""
TEMPERATURE = 0.07
"""Temperature of the cosines of directions and names; much softer than among the 20 classes, so that similar things
come to lie where similar names are."""
BETTER = 0.1
"""Share of the best fit in a scan by which another part may stay behind."""
LEAST_RISE = 0.4
"""A word whose closest name is less than this above the mean of all names ("banana" among furniture) is not found at
full relevance even in what shows that name. Chosen with `KNOWN_WORD` on training rooms and foreign worlds."""
SURFACES = ("wall", "floor")
"""Names of the classes that are no things."""
APART, OWN_MASK = 0.3, 0.45
"""How much an object that shares nothing with a click's mask counts beside one that is equal to it, and that mask."""
BARELY = 1e-3
"""Logit of what an object takes in and the mask of the click on it does not."""
LABEL_SET = "scannet200"
"""Name of the vocabulary's classes for the user."""


# ---- 1. objects of a scan


def scan_objects(scan: EncodedScan, config: UniSeg3DConfig) -> Found:
    """Return the `shown_objects` of a scan, kept for the next prompts."""

    def choose(stage: LayerOutputs, counts: Tensor, own: OwnParts | None) -> Found:
        with torch.autocast(counts.device.type, enabled=False):  # counts of points need the digits of float32
            return shown_objects(stage, counts, config, own)

    return scan.kept(("objects", config), lambda: scan.found(choose))


def shown_objects(stage: LayerOutputs, counts: Tensor, config: UniSeg3DConfig, own: OwnParts | None = None) -> Found:
    """Return the confident masks of a scan, the best first; of those that show the same object the most confident.

    An object has more than `config.fewest_points` points. `own` cuts masks to what an object is of them.
    """
    assert stage.iou is not None
    found = class_agnostic(stage.masks, stage.iou, config, own)
    found = found.take(points(found.masks, counts) > config.fewest_points)
    found = found.take(found.scores.argsort(descending=True, stable=True)[: config.top_masks])
    found = found.take(distinct(found.masks, counts))
    return replace(found, directions=None if stage.directions is None else stage.directions[found.queries])


def distinct(masks: Tensor, counts: Tensor) -> Tensor:
    """Return the rows int64 of masks bool [K, S], best first, that overlap no better one that stays."""
    weight = counts.float()
    both = (masks * weight) @ masks.float().T
    area = both.diagonal()
    return unrivalled(both / (area[:, None] + area - both).clamp(min=1) > SAME_OBJECT)


def unrivalled(rivals: Tensor) -> Tensor:
    """Return the rows int64 of bool [K, K], best first, that are no rival of a better one that stays."""
    free = torch.ones(len(rivals), dtype=torch.bool)
    rival = rivals.cpu()
    for row in range(len(rivals)):
        if free[row]:
            free[row + 1 :] &= ~rival[row, row + 1 :]
    return free.nonzero()[:, 0].to(rivals.device)


# ---- 2. any number of objects
#
# A sentence's mask is vague where several objects might be meant: it covers a part of each. The model knows the objects
# of the scan much better than that, so the mask only says how much of each it takes in.


def referred_objects(
    probability: Tensor,  # float [S] of the sentence's mask
    objects: Tensor,  # bool [K, S]
    counts: Tensor,  # int64 [S] points of each superpoint
    count: Literal["one", "any"],
    config: UniSeg3DConfig,
) -> tuple[Tensor, Tensor]:
    """Return the rows int64 [M] of the objects that are meant, the surest first, and how sure, float [M] in 0..1.

    Sure is the mean probability over an object's points. "any" takes those from `config.object_threshold` on, "one" the
    surest, if it has `LEAST`. No object is an answer, too: what is meant may be none of the scan's objects.
    """
    sure = mean_over(probability, objects, counts)
    order = sure.argsort(descending=True, stable=True)
    if count == "one":
        rows = order[:1]
        rows = rows[sure[rows] >= LEAST]
    else:
        rows = order[sure[order] >= config.object_threshold]
    return rows, sure[rows]


def object_logits(objects: Tensor, sure: Tensor, threshold: float) -> Tensor:
    """Return logits float [M, S], positive inside objects bool [M, S]: how far `sure` [M] is above `threshold`."""
    above = (sure.logit(1e-6) - torch.full_like(sure, threshold).logit()).clamp(min=1e-3)[:, None]
    return torch.where(objects, above, -above)


def referred_answer(
    scan: EncodedScan,
    mask: Tensor,  # float [S] logits of the sentence's mask
    row: Tensor,  # the same, positive where its probability is above `config.mask_threshold`
    something: Tensor,  # float, the probability that the sentence means anything
    score: Tensor,  # float, how sure the mask is
    count: Literal["one", "any"],
    config: UniSeg3DConfig,
) -> tuple[Tensor, Tensor]:
    """Return logits [M, S] and scores [M] of the objects that a sentence means; "one" always gets one row.

    Without such an object its own mask is the answer, if it has any.
    """
    if count == "any" and not (bool((row > 0).any()) and bool(something >= config.target_threshold)):
        return row[None][:0], score[None][:0]
    objects = scan_objects(scan, config).masks
    rows, sure = referred_objects(mask.sigmoid(), objects, scan.counts, count, config)
    if not len(rows):
        return row[None], score[None]
    return object_logits(objects[rows], sure, config.mask_threshold), (sure * something).clamp(0, 1)


def clicked_objects(
    scan: EncodedScan,
    points: np.ndarray,  # int64 [P]
    logits: Tensor,  # float [P, S] of the clicks' masks, positive inside
    scores: Tensor,  # float [P]
    config: UniSeg3DConfig,
) -> tuple[Tensor, Tensor]:
    """Return logits and scores in which a click marks the object of the scan around it that fits its mask best.

    An object fits by its score, times `APART` to 1 by its IoU of points with the mask. The mask stays where it fits
    better itself, by its score times `OWN_MASK`, and where the click is on no object.
    """
    objects = scan_objects(scan, config)
    if not len(objects):
        return logits, scores
    counts = scan.counts.double()  # exact for whole numbers
    superpoints = torch.from_numpy(scan.index[np.asarray(points, np.int64)]).to(logits.device)
    inside, masks = (logits > 0).double(), objects.masks.double()
    both = (inside * counts) @ masks.T
    overlap = both / ((inside @ counts)[:, None] + masks @ counts - both).clamp(min=1)
    fits = objects.scores * (APART + (1 - APART) * overlap) * objects.masks[:, superpoints].T
    fit, best = fits.max(1)
    # Of an object that two clicks mark, each is surer of what its own mask takes in: a negative click takes that away.
    marked = torch.where(objects.masks[best], logits.clamp(min=BARELY), logits.clamp(max=-BARELY))
    better = fit > OWN_MASK * scores
    return torch.where(better[:, None], marked, logits), torch.where(better, objects.scores[best].to(scores), scores)


def clicked_surfaces(
    scan: EncodedScan,
    points: np.ndarray,  # int64 [P]
    logits: Tensor,  # float [P, S] of the clicks' masks, positive inside
    scores: Tensor,  # float [P]
    something: Tensor,  # float [P] the probability that a click shows any thing
) -> tuple[Tensor, Tensor]:
    """Return logits and scores in which a click on wall or floor that likelier shows nothing marks that surface there.

    The superpoint decides where the click is, by the likeliest of the 20 classes and "none". Walls end with the window,
    a floor may go on. The score is the mean probability of wall or floor over the points of the mask.
    """
    share = scan.semantics().semantic.softmax(1)
    best = share.argmax(1)
    superpoints = torch.from_numpy(scan.index[np.asarray(points, np.int64)]).to(best.device)
    clicked = best[superpoints]
    surface = (clicked < STUFF) & (something < 0.5)
    on_floor = (clicked == FLOOR)[:, None]
    parts = torch.where(on_floor, scan.floors, scan.rooms)
    mask = (best == clicked[:, None]) & (parts == parts.gather(1, superpoints[:, None]))
    sure = weighted_mean(share[:, clicked].T, mask * scan.counts)
    marked = object_logits(mask, sure, 0.5).to(logits)
    return torch.where(surface[:, None], marked, logits), torch.where(surface, sure.to(scores), scores)


# ---- 3. names


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The texts that names are compared with."""

    names: Tensor  # float32 [T, K, W] the names asked for
    classes: Tensor  # float [20, K', W] the model's classes
    vocabulary: Tensor | None  # float32 [V, W] the names that training told apart; None = not learned


def find_objects(
    scan: EncodedScan,
    names: Sequence[str],
    texts: Embeddings,
    scale: float,  # of the class logits
    config: UniSeg3DConfig,
    threshold: float,
) -> Objects:
    """Return the masks whose relevance for a name is at least `threshold`, best first.

    Names do not compete: a mask may be found for several. Source of the masks: docs/systems/uniseg3d.md §6.5.
    """
    vocabulary, said = texts.vocabulary, scan.semantics()
    with torch.autocast(scan.counts.device.type, enabled=False):  # counts of points need the digits of float32
        if vocabulary is not None:
            masks, share = scan_named_parts(scan, vocabulary, config)
            fits = word_relevance(share, texts.names, vocabulary)
        else:
            found = candidates(scan_objects(scan, config), said.semantic, scan.counts, texts.classes)
            masks, fits = found.masks, relevance(found, texts.names, texts.classes, scale)
    best = fits.amax(0) if len(fits) else fits.new_zeros(len(names))
    mask, name = (fits >= threshold).nonzero(as_tuple=True)
    order = fits[mask, name].argsort(descending=True, stable=True)
    mask, name = mask[order], name[order]
    return Objects(
        masks[mask].cpu().numpy(),
        fits[mask, name].float().cpu().numpy(),
        name.cpu().numpy(),
        scan.index,
        tuple(names),
        tuple(range(1, len(names) + 1)),
        tuple(best.tolist()),
    )


@dataclass(frozen=True, eq=False)
class Candidates:
    """K masks that a name may be given to: objects, then wall and floor where there are any."""

    masks: Tensor  # bool [K, S]
    confidence: Tensor  # float32 [K] in 0..1
    directions: Tensor  # float32 [K, W] of length 1


def candidates(
    found: Found,  # the scan's `shown_objects`
    semantic: Tensor,  # float [S, 21] logits
    counts: Tensor,  # int64 [S] points of each superpoint
    class_embeddings: Tensor,  # float [20, K, W]
) -> Candidates:
    """Return the masks of a scan that a name may be given to: its objects, wall and floor.

    Wall and floor are the superpoints whose class they are, with the direction of their own texts, since the object
    queries never learned them.
    """
    assert found.directions is not None
    shown = [(found.masks, found.scores.clamp(0, 1), found.directions)]
    probability = semantic[:, :CLASSES].softmax(1)
    best = semantic[:, :CLASSES].argmax(1)
    for stuff in range(STUFF):
        mask = best == stuff
        if bool(mask.any()):
            sure = weighted_mean(probability[:, stuff], mask * counts)
            shown.append((mask[None], sure[None], class_embeddings[stuff, :1].to(semantic.dtype)))
    return Candidates(*(torch.cat(column) for column in zip(*shown)))


def same_meaning(names: Tensor, classes: Tensor) -> Tensor:
    """Return bool [T, 20], which classes mean the same as a name; embeddings float [T, K, W] and [20, K', W].

    Unrelated words are not at the cosine 0 in these spaces, so that the mean over the classes is taken for unrelated.
    """
    similar = (names.flatten(0, 1) @ classes.flatten(0, 1).T).unflatten(1, classes.shape[:2]).amax(-1)
    similar = similar.unflatten(0, names.shape[:2]).amax(1)
    mean = similar.mean(1, keepdim=True)
    return similar - mean >= SAME_MEANING * (1 - mean)


def relevance(found: Candidates, names: Tensor, class_embeddings: Tensor, scale: float) -> Tensor:
    """Return float32 [K, T] in 0..1: how well each mask fits each name, embeddings float [T, K', W].

    It is the probability of the name among the 20 classes and "none", times the mask's confidence. Names do not compete
    with each other, and a class that means the same as a name ("couch", "sofa") counts for it, not against it.
    """
    asked = class_logits(found.directions, names, scale)[:, :-1]
    known = class_logits(found.directions, class_embeddings, scale)[:, None, :CLASSES]
    same = same_meaning(names, class_embeddings)
    own = torch.maximum(asked, known.masked_fill(~same, -torch.inf).amax(-1))
    others = torch.logaddexp(known.masked_fill(same, -torch.inf).logsumexp(-1), asked.new_zeros(()))
    return (own - others).sigmoid() * found.confidence[:, None]


# ---- 4. vocabulary


@lru_cache
def vocabulary_names(held_out: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the names of ScanNet200's classes, those held out left out."""
    return tuple(c.name for c in scannet200() if c.name not in held_out)


@lru_cache
def vocabulary_ids(held_out: tuple[str, ...] = ()) -> tuple[int, ...]:
    """Return ScanNet200's class id of each of `vocabulary_names`."""
    return tuple(c.id for c in scannet200() if c.name not in held_out)


@lru_cache
def vocabulary_rows(held_out: tuple[str, ...] = ()) -> np.ndarray:
    """Return int64 [200], the row in `vocabulary_names` of each class of ScanNet200; -1 = held out."""
    row = {name: index for index, name in enumerate(vocabulary_names(held_out))}
    return np.array([row.get(c.name, -1) for c in scannet200()], np.int64)


def mentions(sentence: str, names: tuple[str, ...]) -> bool:
    """Return whether a sentence contains one of the names as words, in the singular or with an s."""
    return any(re.search(rf"\b{re.escape(name)}s?\b", sentence, re.IGNORECASE) for name in names)


def name_logits(directions: Tensor, vocabulary: Tensor) -> Tensor:
    """Return float [..., V] for directions float [..., W] and the names' embeddings float [V, W], all of length 1."""
    return full_precision(directions) @ vocabulary.T.to(full_precision(directions).dtype) / TEMPERATURE


def closeness(directions: Tensor, names: Tensor, vocabulary: Tensor) -> Tensor:
    """Return logits float [S, T] of names float [T, K, W] for directions [S, W]: known names speak for unknown ones."""
    shown = _mean_name(name_logits(directions, vocabulary).softmax(1), vocabulary)
    return name_logits(shown, names.flatten(0, 1)).unflatten(1, names.shape[:2]).amax(2)


def _mean_name(share: Tensor, vocabulary: Tensor) -> Tensor:
    """Return the mean of the known names [V, W] under the shares [..., V], of length 1."""
    return F.normalize(share @ vocabulary, dim=-1)


def scan_named_parts(scan: EncodedScan, vocabulary: Tensor, config: UniSeg3DConfig) -> tuple[Tensor, Tensor]:
    """Return the `named_parts` of a scan, kept for the next prompts."""
    objects, said, floors = scan_objects(scan, config), scan.semantics(), scan.floors
    with torch.autocast(scan.counts.device.type, enabled=False):  # counts of points need the digits of float32
        return scan.kept(
            ("parts", config), lambda: named_parts(objects, said, scan.counts, scan.rooms, floors, vocabulary, config)
        )


def named_parts(
    found: Found,  # the scan's `shown_objects`
    said: Semantics,
    counts: Tensor,  # int64 [S] points of each superpoint
    rooms: Tensor,  # int64 [S] window of each superpoint
    floors: Tensor,  # int64 [S] of the superpoints that are floor, the number of their floor
    vocabulary: Tensor,  # float32 [V, W]
    config: UniSeg3DConfig,
) -> tuple[Tensor, Tensor]:
    """Return K parts of a scan that words may mean, bool [K, S], and what they may be, float32 [K, V] of sum 1.

    The parts are the objects; wall and floor, of which objects may take in a piece; and what is left, by the name that
    is likeliest there. What is no object is parted by windows, but for floors that go on, and counts with more than
    `config.fewest_points` points. An object's names are the mean of what its query and what its superpoints say: that
    they are wall or floor if this is their class of the 20, which knows these best, else what their directions say.
    """
    names = vocabulary_names(config.held_out)
    kind = said.semantic[:, :CLASSES].argmax(1)
    surface = kind < STUFF
    rows = torch.tensor([names.index(name) for name in SURFACES], device=kind.device)
    local = name_logits(said.directions, vocabulary).softmax(1)
    known = F.one_hot(rows[kind.clamp(max=STUFF - 1)], len(names)).to(local.dtype)
    local = torch.where(surface[:, None], known, local)
    assert found.directions is not None
    own = name_logits(found.directions, vocabulary).softmax(1)
    share = (own + _mean_inside(found.masks, counts, local)) / 2
    left = (surface | ~found.masks.any(0)).nonzero()[:, 0]
    name = local.argmax(1)
    place = torch.where(name == rows[FLOOR], floors, rooms)
    keys, part = (place * len(vocabulary) + name)[left].unique(return_inverse=True)
    large = torch.zeros_like(keys).index_add(0, part, counts[left]) > config.fewest_points
    masks = torch.zeros(len(keys), len(counts), dtype=torch.bool, device=counts.device)
    masks[part, left] = True
    masks = masks[large]
    return torch.cat([found.masks, masks]), torch.cat([share, _mean_inside(masks, counts, local)])


def _mean_inside(masks: Tensor, counts: Tensor, values: Tensor) -> Tensor:
    """Return the mean [K, V] of values [S, V] over the points of masks bool [K, S] that are not empty."""
    parts = masks.split(max(1, ENTRIES_AT_ONCE // max(1, len(counts))))
    weights = ((part * counts).to(values.dtype) for part in parts)
    return torch.cat([weight @ values / weight.sum(1, keepdim=True) for weight in weights])


def rooms_of(masks: Tensor, counts: Tensor, rooms: Tensor) -> Tensor:
    """Return int64 [K], the room where most points of each mask bool [K, S] are; counts, rooms int64 [S]."""
    part, row = masks.nonzero(as_tuple=True)
    every = int(rooms.max()) + 1
    inside = counts.new_zeros(len(masks) * every).index_add(0, part * every + rooms[row], counts[row])
    return inside.unflatten(0, (len(masks), every)).argmax(1)


def word_relevance(share: Tensor, names: Tensor, vocabulary: Tensor) -> Tensor:
    """Return float32 [K, T] in 0..1: how well what is `share` [K, V] of each known name fits texts float [T, K', W].

    The known names' mean under the shares is compared with each text, so that an unknown word ("couch") is found by the
    known one that means about the same. A text without a meaning (`is_word`) fits nothing. What shows nothing known in
    particular is a little like everything: it is relevant only as far as nothing in the scan fits better, down to 0 at
    `BETTER` less than the best.
    """
    shown = _mean_name(share, vocabulary)
    flat = names.flatten(0, 1)
    close = vocabulary @ flat.T
    fits = (rise(shown @ flat.T, close, LEAST_RISE) * is_word(close)).unflatten(1, names.shape[:2]).amax(2)
    if not len(fits):  # too few points for a part
        return fits
    best = fits.amax(0).clamp(min=torch.finfo(fits.dtype).tiny)
    return fits.clamp(0, 1) * (1 - (1 - fits / best) / BETTER).clamp(0, 1)


def named_classes(
    said: Semantics,
    classes: str | Sequence[str],
    vocabulary: Callable[[], Tensor] | None,  # embeddings float [V, W] of the names that training told apart
    embed: Callable[[Sequence[str]], Tensor],  # names to float [T, K, W]
    config: UniSeg3DConfig,
    scale: float,
) -> tuple[tuple[str, ...], tuple[int, ...], Tensor]:
    """Return names, ids and logits [S, T] of every superpoint for ScanNet200's classes or for any names.

    InputError for another label set than the model has learned.
    """
    if isinstance(classes, str):
        if vocabulary is None or classes != LABEL_SET:
            known = BENCHMARK if vocabulary is None else f"{BENCHMARK}, {LABEL_SET}"
            raise InputError(f"classes: expected {known} or a list of names, got {classes!r}")
        held_out = config.held_out
        logits = name_logits(said.directions, vocabulary())
        return vocabulary_names(held_out), vocabulary_ids(held_out), logits
    texts = embed(classes)
    if vocabulary is None:
        logits = class_logits(said.directions, texts, scale)[:, :-1]
    else:
        logits = closeness(said.directions, texts, vocabulary())
    return tuple(classes), tuple(range(1, len(classes) + 1)), logits
