"""UniSeg3D as a whole: every step of the model contract at a tiny size."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array

from saymask.answers import VERBS
from saymask.errors import InputError
from saymask.geometry.superpoints import superpoints_of
from saymask.hub import checkpoints, registry
from saymask.labels.tables import scannet20
from saymask.models.uniseg3d import UniSeg3D, UniSeg3DConfig
from saymask.models.uniseg3d import model as uniseg3d_model
from saymask.models.uniseg3d.decoder import Words
from saymask.models.uniseg3d.encoded import ask_superpoints, best_queries
from saymask.models.uniseg3d.extensions import (
    Candidates,
    distinct,
    referred_objects,
    relevance,
    same_meaning,
    shown_objects,
    vocabulary_names,
    weighted_mean,
)
from saymask.models.uniseg3d.heads import class_logits
from saymask.models.uniseg3d.outputs import LayerOutputs
from saymask.models.uniseg3d.postprocess import mask_scores
from saymask.models.uniseg3d.presets import rooms, scannet
from saymask.scan import Scan
from saymask.scene.scene import Scene
from saymask.util.settings import from_json, to_json
from tests.models.fakes import WordHash, annotation, small_scan

SMALL = UniSeg3DConfig(
    voxel_size=0.1, augment="rotate", widths=(8, 12), block_reps=1, text_width=12, width=16, heads=2, layers=2,
    ffn_width=24, fewest_points=5, class_prompts=("{}",), agnostic_threshold=0.0, find_threshold=0.2,
)  # fmt: skip
KINDS = {-1: 1, 0: 4, 1: 2, 2: 6, 3: 19}
"""Class of each instance of a small scan: the floor, a chair, a cabinet, a table, another thing."""
OURS = {"position_encoding": True, "words": True, "texts_see_all": True}
SENTENCES = ("the red box beside the other box", "it is a box . it is on the floor", "the piano")
NEAR = {"rtol": 1e-4, "atol": 1e-4}


def tiny(seed: int = 0, **changes) -> UniSeg3D:
    torch.manual_seed(seed)
    model = UniSeg3D(replace(SMALL, **changes), text_encoder=WordHash(12)).eval()
    model.begin_training(None, (), lambda line: None)
    # Fresh IoU heads say about 0: nothing would be confident.
    torch.nn.init.constant_(model.decoder.heads.iou[-1].bias, 0.9)
    return model


def scan_of(seed: int = 0, n: int = 2500, **changes) -> Scan:
    scan = small_scan(seed, n)
    semantic = np.array([KINDS[i] for i in scan.labels["instance"].tolist()], np.int16)
    return replace(scan, labels={**scan.labels, "semantic20": semantic}, **changes)


def encoded(model: UniSeg3D, *scans: Scan):
    return model.encode_batch(model.collate([model.prepare(s) for s in scans or (scan_of(),)]))


def training_batch(model: UniSeg3D, seeds=(0, 1)):
    samples = []
    for s in seeds:
        asked = [annotation(t, i, scan=f"small{s}") for i, t in enumerate(("the chair", "a cabinet", "the table"))]
        samples.append(model.prepare(scan_of(s, 2000 + 300 * s), asked, rng=np.random.RandomState(s)))
    return model.collate(samples)


@pytest.fixture(scope="module", params=[{}, OURS], ids=["published", "ours"])
def ready(tmp_path_factory, request):
    """A model and one encoded scan of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAYMASK_CACHE", str(tmp_path_factory.mktemp("cache")))
        model = tiny(**request.param)
        if model.decoder.places is not None:  # it starts at zero
            for layer in model.decoder.places.children():
                torch.nn.init.normal_(layer.weight, std=0.1)
        yield model, encoded(model)


def same_objects(a, b):
    np.testing.assert_array_equal(a.masks, b.masks)
    np.testing.assert_allclose(a.scores, b.scores, **NEAR)
    np.testing.assert_array_equal(a.classes, b.classes)


# ---- verbs


def test_it_answers_everything(ready):
    assert set(ready[0].verbs) == set(VERBS)


@pytest.mark.parametrize("count", ["one", "any"])
def test_refer(ready, count):
    model, scene = ready
    answers = model.refer(scene, SENTENCES, count=count)
    scan = scene.only()
    said = model.text(SENTENCES)
    words = Words(said.tokens, said.mask)
    outputs = model.decoder.prompts(scan.memory, None, said.sentence, model.class_embeddings, words=words)
    raw = outputs.texts[-1].masks
    for row, answer in zip(raw, answers, strict=True):
        assert answer.logits.shape == (1, len(scan.memory))
        assert answer.scores.shape == (1,)
        assert 0 <= float(answer.scores) <= 1
        assert answer.best == float(answer.scores)
        assert torch.equal(answer.logits[0] > 0, row.sigmoid() > 0.4)
        np.testing.assert_array_equal(answer.index, scan.index)
    assert model.refer(scene, []) == []
    with pytest.raises(InputError, match="empty text"):
        model.refer(scene, [" "])


def test_none_one_or_many():
    model = tiny(any_number=True)
    scene = encoded(model)
    whole = model.refer(scene, SENTENCES, count="one")
    many = model.refer(scene, SENTENCES, count="any")
    scan = scene.only()
    objects = shown_objects(scan.superpoint_outputs().stage, scan.counts, model.config).masks
    said = model.text(SENTENCES)
    masks = model.decoder.prompts(scan.memory, None, said.sentence, model.class_embeddings).texts[-1].masks.sigmoid()
    for mask, one, parts in zip(masks, whole, many, strict=True):
        assert len(one.logits) == len(one.scores) == 1
        assert len(parts.scores) == len(parts.logits)
        rows, _ = referred_objects(mask, objects, scan.counts, "any", model.config)
        if not bool((mask > 0.4).any()):
            assert len(parts.logits) == 0
        else:
            expected = objects[rows] if len(rows) else (mask > 0.4)[None]
            assert torch.equal(parts.logits > 0, expected)
        rows, _ = referred_objects(mask, objects, scan.counts, "one", model.config)
        assert torch.equal(one.logits > 0, objects[rows] if len(rows) else (mask > 0.4)[None])
    model.config = replace(model.config, target_threshold=1.1)
    for parts in model.refer(scene, SENTENCES, count="any"):
        assert parts.logits.shape == (0, len(scene.only().memory))
        assert 0 <= parts.best <= 1


def test_prompts_are_independent_of_each_other(ready, monkeypatch):
    model, scene = ready
    monkeypatch.setattr(uniseg3d_model, "PROMPTS_AT_ONCE", 3)
    sentences = [*SENTENCES, "a lamp", "the chair"]
    for sentence, together in zip(sentences, model.refer(scene, sentences), strict=True):
        alone = model.refer(scene, [sentence])[0]
        torch.testing.assert_close(together.logits, alone.logits, **NEAR)
        torch.testing.assert_close(together.scores, alone.scores, **NEAR)
    points = np.array([2, 900, 1700, 40, 41, 2001])
    together = model.click(scene, points)
    for row in range(len(points)):
        alone = model.click(scene, points[row : row + 1])
        torch.testing.assert_close(together.logits[row], alone.logits[0], **NEAR)
        torch.testing.assert_close(together.scores[row], alone.scores[0], **NEAR)


def test_click(ready):
    model, scene = ready
    index = scene.only().index
    # Two points of one superpoint are the same click.
    twin = int(np.flatnonzero(index == index[7])[1])
    answer = model.click(scene, np.array([7, 1200, twin]))
    assert answer.logits.shape == (3, index.max() + 1)
    assert ((answer.scores >= 0) & (answer.scores <= 1)).all()
    assert torch.equal(answer.logits[0], answer.logits[2])
    assert not torch.equal(answer.logits[0], answer.logits[1])
    classes = model.click_classes(scene, np.array([7, 1200, twin]))
    assert classes.shape == (3, 18)
    assert ((classes >= 0) & (classes.sum(1, keepdims=True) <= 1 + 1e-6)).all()
    outputs = model.decoder.prompts(scene.only().memory, torch.tensor([index[1200]]), None, model.class_embeddings)
    np.testing.assert_allclose(classes[1], outputs.clicks[-1].classes.detach().softmax(1)[0, :18], rtol=1e-4, atol=1e-6)


def test_semantic(ready):
    model, scene = ready
    own = model.semantic(scene)
    size = scene.only().index.max() + 1
    assert own.names == tuple(c.name for c in scannet20())
    assert own.ids == tuple(c.id for c in scannet20())
    assert own.classes.shape == own.probabilities.shape == (size,)
    assert ((own.probabilities > 0.05 - 1e-6) & (own.probabilities <= 1)).all()
    np.testing.assert_array_equal(model.semantic(scene, "scannet20").classes, own.classes)
    # The 20 names as words give what the classes gave, in whatever order they come.
    names = list(own.names)[::-1]
    named = model.semantic(scene, names)
    np.testing.assert_array_equal(19 - named.classes, own.classes)
    np.testing.assert_allclose(named.probabilities, own.probabilities, **NEAR)
    assert named.ids == tuple(range(1, 21))
    assert (model.semantic(scene, ["lamp"]).probabilities == 1).all()
    with pytest.raises(InputError, match="expected scannet20 or a list"):
        model.semantic(scene, "scannet200")


def test_instances(ready):
    model, scene = ready
    found = model.instances(scene)
    assert len(found.masks) > 0
    assert (np.diff(found.scores) <= 0).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert ((found.classes >= 2) & (found.classes < 20)).all()
    points = np.bincount(found.index)
    assert ((found.masks * points).sum(1) > model.config.fewest_points).all()
    level = float(np.median(found.scores))
    model.config = replace(model.config, instance_threshold=level)
    assert len(model.instances(scene).masks) == (found.scores > level).sum()
    model.config = replace(model.config, instance_threshold=0.0)


@pytest.mark.parametrize("verb", ["instances", "proposals", "find"])
def test_objects_are_cut_to_their_parts(monkeypatch, verb):
    asked = (["chair"],) if verb == "find" else ()
    whole = getattr(tiny(), verb)(encoded(tiny()), *asked)
    assert whole.masks.sum(1).max() > 1
    alone = lambda batch, cells: [csr_array(np.eye(size)) for size in batch.sizes]  # noqa: E731
    monkeypatch.setattr("saymask.models.uniseg3d.model.graphs_of", alone)
    cut = tiny(connected=1)
    found = getattr(cut, verb)(encoded(cut), *asked)
    if verb != "find":  # what names mean may be several objects together
        assert found.masks.sum(1).max() == 1
    assert len(found.masks) > 0


def test_what_prompts_share_is_made_once(ready):
    scan = encoded(ready[0]).only()
    made = []
    for key in ("a", "b", "a"):
        scan.kept(key, lambda: made.append(1) or len(made))
    assert scan.kept("a", lambda: 7) == 1
    assert len(made) == 2


def test_proposals(ready):
    model, scene = ready
    stage = scene.only().superpoint_outputs().stage
    sure = mask_scores(stage.masks) * stage.iou
    model.config = replace(model.config, agnostic_threshold=float(sure.median()))
    found = model.proposals(scene)
    model.config = replace(model.config, agnostic_threshold=SMALL.agnostic_threshold)
    assert len(found.masks) == int((sure > sure.median()).sum()) > 0
    np.testing.assert_array_equal(found.masks, (stage.masks.sigmoid() > 0.4)[sure > sure.median()])
    assert set(found.classes.tolist()) == {0}


def test_panoptic(ready):
    model, scene = ready
    kept = model.config
    for threshold in (0.0, 0.02, 0.5):
        model.config = replace(kept, panoptic_threshold=threshold)
        answer = model.panoptic(scene)
        np.testing.assert_array_equal(answer.masks.sum(0), 1)
        assert answer.masks.any(1).all()
        stuff = answer.classes < 2
        assert stuff.sum() <= 2
        assert (np.diff(stuff.astype(int)) <= 0).all()  # wall and floor come first
        things = answer.scores[~stuff]
        assert (np.diff(things) <= 0).all()
        assert ((answer.scores >= 0) & (answer.scores <= 1)).all()
        assert threshold < 0.5 or (things > 0.5).all()
    model.config = replace(kept, panoptic_threshold=0.0)
    assert (model.panoptic(scene).classes >= 2).any()
    model.config = kept


def test_find(ready):
    model, scene = ready
    names = ["chair", "a green lamp", "floor"]
    found = model.find(scene, names, threshold=0.0)
    count = len(found.masks) // 3
    assert len(found.masks) == 3 * count > 0
    assert found.ids == (1, 2, 3)
    assert found.names == tuple(names)
    assert (np.diff(found.scores) <= 0).all()
    for name, best in enumerate(found.best):
        own = found.scores[found.classes == name]
        assert len(own) == count
        assert best == pytest.approx(own.max())
    level = float(np.median(found.scores))
    some = model.find(scene, names, threshold=level)
    assert len(some.masks) == (found.scores >= level).sum()
    assert some.best == found.best
    default = model.find(scene, names)
    assert len(default.masks) == (found.scores >= SMALL.find_threshold).sum()
    # Names do not compete.
    alone = model.find(scene, ["a green lamp"], threshold=0.0)
    np.testing.assert_allclose(alone.scores, found.scores[found.classes == 1], **NEAR)
    nothing = model.find(scene, names, threshold=1.0)
    assert nothing.masks.shape[1] == scene.only().index.max() + 1


def test_a_thousand_names(ready):
    model, scene = ready
    names = [f"thing {i}" for i in range(999)] + ["table"]
    found = model.find(scene, names)
    assert len(found.best) == 1000
    assert all(0 <= b <= 1 for b in found.best)
    assert model.semantic(scene, names).classes.max() < 1000


def test_eight_threads_get_what_one_gets(ready):
    model, _ = ready
    expected = {
        "instances": model.instances(encoded(model)), "panoptic": model.panoptic(encoded(model)),
    }  # fmt: skip
    scene, answers = encoded(model), {}

    def ask(number):
        verb = ("instances", "panoptic")[number % 2]
        answers[number] = (verb, getattr(model, verb)(scene), model.refer(scene, [f"box {number}"])[0])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    for number, (verb, answer, told) in answers.items():
        same_objects(answer, expected[verb])
        torch.testing.assert_close(told.logits, model.refer(scene, [f"box {number}"])[0].logits, **NEAR)


def test_two_scans_equal_one_by_one(ready):
    model, _ = ready
    scans = scan_of(0), scan_of(1, 1800)
    together = encoded(model, *scans)
    told = model.refer(together, SENTENCES[:2])
    for i, scan in enumerate(scans):
        alone = encoded(model, scan)
        torch.testing.assert_close(together.scans[i].memory.features, alone.only().memory.features, **NEAR)
        torch.testing.assert_close(told[i].logits, model.refer(alone, [SENTENCES[i]])[0].logits, **NEAR)
        np.testing.assert_array_equal(told[i].index, alone.only().index)
        torch.testing.assert_close(
            together.scans[i].superpoint_outputs().semantic,
            alone.only().superpoint_outputs().semantic,
            rtol=1e-3,
            atol=1e-3,
        )
    with pytest.raises(InputError, match="one sentence for each of 2 scans, got 3"):
        model.refer(together, SENTENCES)
    for ask in (model.instances, model.panoptic, model.semantic, lambda s: model.find(s, ["a"])):
        with pytest.raises(InputError, match="expected one encoded scan, got 2"):
            ask(together)


def test_a_scan_of_several_passes(ready):
    """With every query kept, several passes differ from one only by who sees whom."""
    model, scene = ready
    memory, classes = scene.only().memory, model.class_embeddings
    size = len(memory)
    one = ask_superpoints(model.decoder, memory, classes)
    parts = ask_superpoints(model.decoder, memory, classes, largest=size * 9)
    assert parts.semantic.shape == one.semantic.shape
    passes = -(-size * size // (size * 9))
    for start in range(passes):
        rows = torch.arange(start, size, passes)
        assert len(rows) <= 9
        own = model.decoder.objects(memory, rows, classes)
        torch.testing.assert_close(parts.semantic[rows], own.semantic, **NEAR)
    alone = ask_superpoints(model.decoder, memory, classes, largest=1)
    assert len(alone.semantic) == size
    facing = class_logits(one.directions, classes, model.decoder.heads.scale)
    torch.testing.assert_close(facing, one.semantic, **NEAR)


def test_the_best_queries_are_kept():
    classes = torch.full((6, 19), -5.0)
    classes[2, 4], classes[5, 0] = 5, 4
    masks = torch.full((6, 3), -4.0)
    masks[4] = 6
    iou = torch.tensor([0.1, 0.1, 0.1, 0.1, 0.9, 0.5])
    stage = LayerOutputs(classes, masks, torch.arange(6.0)[:, None], iou)
    # likeliest class, class times IoU, mask times IoU
    assert best_queries(stage, 1).embeddings[:, 0].tolist() == [2, 4, 5]
    assert len(best_queries(stage, 600).masks) == 6


# ---- naming


def test_relevance_by_hand():
    classes = F.normalize(torch.randn(20, 1, 40, generator=torch.Generator().manual_seed(0)), dim=-1)
    couch = F.normalize(classes[5] + 0.3 * classes[9], dim=-1)[None]  # nearly a sofa
    other = F.normalize(torch.randn(1, 1, 40, generator=torch.Generator().manual_seed(1)), dim=-1)
    names = torch.cat([couch, other])
    same = same_meaning(names, classes)
    assert same[0].nonzero()[:, 0].tolist() == [5]
    assert not same[1].any()
    shown = torch.stack([classes[5, 0], classes[4, 0], other[0, 0], -other[0, 0]])
    found = Candidates(torch.ones(4, 2, dtype=torch.bool), torch.tensor([0.5, 1, 1, 1.0]), shown)
    fits = relevance(found, names, classes, 100.0)
    assert fits[0].tolist() == pytest.approx([0.5, 0], abs=1e-3)  # the sofa fits "couch" as well as its mask is sure
    assert fits[1].tolist() == pytest.approx([0, 0], abs=1e-3)
    assert fits[2].tolist() == pytest.approx([0, 1], abs=1e-3)
    logits = 100 * (shown[3] @ torch.cat([classes[:, 0], other[0]]).T)
    expected = torch.cat([logits, torch.zeros(1)]).softmax(0)[20]  # among the classes, itself and "none"
    assert float(fits[3, 1]) == pytest.approx(float(expected), abs=1e-6)


def test_distinct_masks():
    counts = torch.tensor([10, 1, 1, 10])
    masks = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 0]]).bool()
    # 1 is 10/11 of 0; 2 shares one point of 12; 3 shares 10 of 21
    assert distinct(masks, counts).tolist() == [0, 2, 3, 4]
    assert distinct(masks[:0], counts).tolist() == []
    assert float(weighted_mean(torch.tensor([1.0, 0.5]), torch.tensor([3, 1]))) == pytest.approx(3.5 / 4)
    assert float(weighted_mean(torch.tensor([1.0, 0.5]), torch.tensor([0, 0]))) == 0


def test_names_beyond_the_classes():
    model = tiny(vocabulary_weight=0.1, held_out=("bench",), find_threshold=0.5)
    scene = encoded(model)
    names = model.semantic(scene, classes="scannet200")
    assert names.names == vocabulary_names(("bench",))
    said = scene.only().superpoint_outputs()
    chosen = (said.directions @ model.vocabulary().T).argmax(1)
    np.testing.assert_array_equal(names.classes, chosen)
    asked = model.semantic(scene, classes=["chair", "lamp", "wall"])
    assert asked.ids == (1, 2, 3)
    found = model.find(scene, ["chair", "bench"], threshold=0.0)
    assert found.names == ("chair", "bench")
    assert found.masks.shape[1] == len(scene.only().memory)
    assert len(found.best) == 2
    strict = model.find(scene, ["chair", "bench"])
    assert (strict.scores >= 0.5).all()
    terms = model.train().losses(training_batch_of_names(model))
    assert float(terms["vocabulary"].detach()) > 0
    plain = tiny()
    with pytest.raises(InputError, match="expected scannet20 or a list of names, got 'scannet200'"):
        plain.semantic(encoded(plain), classes="scannet200")


def training_batch_of_names(model):
    scan = scan_of(0, 2000)
    scan = replace(scan, labels={**scan.labels, "semantic200": (scan.labels["instance"] + 3).astype(np.int16)})
    return model.collate([model.prepare(scan, (), rng=np.random.RandomState(0))])


# ---- class embeddings


def test_class_embeddings():
    model = UniSeg3D(SMALL, text_encoder=WordHash(12)).eval()
    for ask in (lambda: encoded(model), lambda: model.train().losses(training_batch(model))):
        with pytest.raises(InputError, match="no class embeddings yet"):
            ask()
    lines = []
    model.begin_training(None, (), lines.append)
    assert lines == ["20 class embeddings of clip-convnext-large-d-320"]
    known = model.class_embeddings.clone()
    torch.testing.assert_close(known.norm(dim=-1), torch.ones(20, 1))
    model.begin_training(None, (), lines.append)
    assert len(lines) == 1
    several = F.normalize(torch.randn(20, 3, 12), dim=-1)
    model.set_class_embeddings(several)
    assert model.config.class_prototypes == 3
    assert torch.equal(model.state_dict()["class_embeddings"], several)
    assert UniSeg3D(model.config, text_encoder=WordHash(12)).class_embeddings.shape == (20, 3, 12)
    for wrong in (torch.zeros(19, 1, 12), torch.zeros(20, 1, 11), torch.zeros(20, 0, 12), torch.zeros(20, 12)):
        with pytest.raises(InputError, match=r"expected float \[20, K, 12\]"):
            model.set_class_embeddings(wrong)
    with pytest.raises(InputError, match="finite"):
        model.set_class_embeddings(torch.full((20, 1, 12), torch.nan))


# ---- training


def test_a_training_step_reaches_every_weight_and_lowers_the_loss():
    model = tiny().train()
    assert not model.text_encoder.training
    assert model.backbone.training
    batch = training_batch(model)
    assert all(len(texts) == 3 for texts in batch.texts)
    terms = model.losses(batch)
    assert set(terms) == {
        "instance", "novel", "iou", "distill_clicks", "semantic", "click", "text", "contrast", "rank", "distill_text",
    }  # fmt: skip
    sum(terms.values()).backward()
    still = {n for n, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.abs().sum())}
    # A shift that all keys have in common does not change the attention: its gradient is rounding at best.
    assert not {n for n in still if "in_proj" not in n}
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert not any(p.requires_grad for p in model.text_encoder.parameters())
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    totals = []
    for _ in range(12):
        total = sum(model.losses(batch).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert totals[-1] < 0.85 * totals[0]


@pytest.mark.parametrize(
    "kind", ["no sentence", "no instance", "one superpoint", "one superpoint each for floor and chair"]
)
def test_poor_scans_train_and_answer(kind):
    model = tiny()
    scan, asked = scan_of(n=900), [annotation("the chair", 0)]
    if kind == "no sentence":
        asked = []
    elif kind == "no instance":
        floor = np.full(len(scan), -1, np.int32)
        scan = replace(scan, labels={"instance": floor, "semantic20": np.ones(len(scan), np.int16)})
    elif kind == "one superpoint":
        scan = replace(scan, superpoints=np.zeros(len(scan), np.int32))
    else:
        scan = replace(scan, superpoints=(scan.labels["instance"] == 0).astype(np.int32))
    batch = model.collate([model.prepare(scan, asked, rng=np.random.RandomState(0))])
    total = sum(model.train().losses(batch).values())
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    scene = encoded(model.eval(), scan)
    assert len(model.refer(scene, ["a box"])[0].logits) == 1
    assert len(model.click(scene, np.array([3])).logits) == 1
    assert model.panoptic(scene).masks.sum(0).min() == 1
    assert len(model.semantic(scene).classes) == scene.only().index.max() + 1
    model.instances(scene)
    model.find(scene, ["lamp", "wall"])


def test_twenty_superpoints():
    model, scan = tiny(), scan_of()
    coarse = replace(scan, superpoints=(scan.superpoints % 20).astype(np.int32))
    scene = Scene(model, coarse)
    assert len(scene.instances()) >= 0
    assert scene.panoptic().support.shape[1] == 20
    assert len(scene.refer(list(SENTENCES))) == 3
    assert len(scene.click(scan.points[:2])) == 2
    assert scene.semantic().support.shape[1] == 20
    scene.find(["chair", "lamp"])


def test_a_scan_without_superpoints_gets_them():
    scan = scan_of(n=800, superpoints=None)
    scene = Scene(tiny(), scan)
    assert scene.panoptic().support.shape[1] == len(np.unique(superpoints_of(scan)))


def test_losses_need_truth():
    model = tiny()
    with pytest.raises(InputError, match="expected samples with truth"):
        model.losses(model.collate([model.prepare(scan_of())]))


def test_half_precision():
    model = tiny()
    plain = model.click(encoded(model), np.array([5, 1200]))
    with torch.autocast("cpu", torch.bfloat16):
        total = sum(model.train().losses(training_batch(model)).values())
        assert total.dtype == torch.float32
        scene = encoded(model.eval())
        answer = model.click(scene, np.array([5, 1200]))
        assert answer.logits.dtype == torch.float32
        assert model.panoptic(scene).masks.sum(0).max() == 1
        assert np.isfinite(model.instances(scene).scores).all()
        assert np.isfinite(model.find(scene, ["chair"]).best).all()
    total.backward()
    assert torch.isfinite(total)
    assert ((answer.logits > 0) == (plain.logits > 0)).float().mean() > 0.8


def test_answers_that_are_not_finite_are_refused():
    model = tiny()
    scene = encoded(model)
    torch.nn.init.constant_(model.decoder.heads.semantic.embed[-1].bias, torch.nan)
    with pytest.raises(InputError, match="expected finite answers"):
        model.panoptic(scene)


def test_odd_extents_drop_what_lies_on_the_last_plane():
    scan = scan_of()
    # 131 voxels: more than 128 and odd
    points = scan.points.copy()
    points[0] = points.min(0) + np.float32([13.05, 0, 0])
    scan = replace(scan, points=points)
    a, b = (encoded(tiny(odd_extents=odd, window=0), scan).only().memory.features for odd in (False, True))
    assert not torch.allclose(a, b)


# ---- presets and files


def test_presets():
    published, small = scannet(), rooms()
    for preset in (published, small):
        assert preset.system == "uniseg3d"
        assert from_json(UniSeg3DConfig, to_json(preset.model)) == preset.model
    assert published.model == UniSeg3DConfig(compat=True, window=0)
    train = published.train
    rates = [(1 - e / train.epochs) ** train.power for e in range(train.epochs)]
    np.testing.assert_allclose(rates, [(1 - e / 511) ** 0.9 for e in range(511)])
    model = UniSeg3D(small.model, text_encoder=WordHash(384))
    assert sum(p.numel() for n, p in model.named_parameters() if "text_encoder" not in n) < 6e6


def test_save_and_load(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.SYSTEMS, "uniseg3d", "saymask.models.uniseg3d:UniSeg3D")
    monkeypatch.setitem(registry.PRESETS, "uniseg3d.rooms", "saymask.models.uniseg3d.presets:rooms")
    monkeypatch.setattr("saymask.text.lazy.load_text_encoder", lambda name: WordHash(12))
    model = tiny()
    model.set_class_embeddings(F.normalize(torch.randn(20, 2, 12), dim=-1))
    model.card = {"name": "x", "preset": "uniseg3d.rooms", "system": "uniseg3d", "verbs": list(model.verbs)}
    path = checkpoints.save_checkpoint(model, tmp_path / "x.safetensors")
    again = checkpoints.load_model(path, device="cpu")
    assert again.config == model.config
    assert torch.equal(again.class_embeddings, model.class_embeddings)
    same_objects(again.instances(encoded(again)), model.instances(encoded(model)))
    assert not any("text_encoder" in name for name in checkpoints.stored_state(model))
    half = checkpoints.load_model(
        checkpoints.save_checkpoint(model, tmp_path / "h.safetensors", dtype="float16"), device="cpu"
    )
    assert (half.semantic(encoded(half)).classes == model.semantic(encoded(model)).classes).mean() > 0.9
