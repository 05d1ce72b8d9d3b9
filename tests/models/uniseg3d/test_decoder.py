"""The decoder of UniSeg3D: one pass against two, against PyTorch's own attention, the heads, precision, bad input."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.models.uniseg3d.config import UniSeg3DConfig
from saymask.models.uniseg3d.decoder import CLICK, OBJECT, TEXT, Decoder, Words
from saymask.models.uniseg3d.heads import blocked_by, class_logits, inside

SMALL = UniSeg3DConfig(widths=(5,), text_width=7, width=16, heads=2, layers=3, ffn_width=24)
KINDS = ("objects", "clicks", "texts")
FIELDS = ("classes", "masks", "embeddings")


def decoder(config=SMALL, seed=0):
    torch.manual_seed(seed)
    model = Decoder(config).double()
    for parameter in model.parameters():  # no zeros that hide a mistake
        torch.nn.init.normal_(parameter, std=0.3) if parameter.ndim < 2 or not parameter.any() else None
    return model


def inputs(superpoints, queries, clicks, texts, seed=0, prototypes=2):
    """Return features, superpoint queries, clicks, texts and class embeddings."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return (
        random(superpoints, 5),
        torch.randperm(superpoints, generator=generator)[:queries],
        torch.randint(superpoints, (clicks,), generator=generator),
        random(texts, 7),
        F.normalize(random(20, prototypes, 7), dim=-1),
    )


def published(model, features, objects, clicks, texts, prototypes):
    """All queries with PyTorch's attention and the published mask; return every stage as a dictionary.

    Source: docs/systems/uniseg3d.md §3.2.
    """
    kind = model.kinds.weight
    said = model.sentence(texts)
    x = torch.cat([features[objects] + kind[OBJECT], features[clicks] + kind[CLICK], said + kind[TEXT]])
    x, memory, read = model.query_input(x), model.scan_input(features), model.mask_features(features)
    q, n = len(x), len(objects)
    alone = torch.ones(q, q, dtype=torch.bool)
    alone[:n, :n] = False
    alone.fill_diagonal_(False)
    stages = []

    def attention(layer, x, memory, blocked):
        torch_layer = torch.nn.MultiheadAttention(x.shape[1], layer.attn.heads, dtype=torch.float64)
        state = {name: value.detach() for name, value in layer.attn.state_dict().items()}
        torch_layer.load_state_dict(state)
        own = dict(layer.attn.named_parameters())
        out, _ = torch.func.functional_call(torch_layer, own, (x, memory, memory), {"attn_mask": blocked})
        return layer.norm(x + out)

    for layer in [*model.layers, None]:
        normed = model.heads.norm(x)
        masks = normed @ read.T
        weight = (masks > 0).double().detach()
        pooled = (weight / (weight.sum(1, keepdim=True) + 1e-8)) @ read

        def classes(head, names, normed=normed, pooled=pooled):
            e = head.embed(head.pooled(pooled) + normed)
            padded = torch.cat([names, torch.zeros_like(names[:1])]).permute(2, 0, 1)  # a zero row is "none"
            logits = torch.einsum("qw,wcp->qcp", e / e.norm(dim=1, keepdim=True), padded)
            return math.exp(4.6052) * logits.max(-1).values

        stages.append(
            {
                "classes": classes(model.heads.things, prototypes[2:]),
                "masks": masks,
                "embeddings": normed,
                "iou": model.heads.iou(normed[:n])[:, 0],
                "semantic": classes(model.heads.semantic, prototypes)[:n],
            }
        )
        if layer is not None:
            blocked = masks.detach().sigmoid() < 0.5
            blocked[blocked.all(1)] = False
            x = layer.ffn(attention(layer.among, cross := attention(layer.cross, x, memory, blocked), cross, alone))
    return stages


def rows(outputs, stage, field):
    return torch.cat([getattr(getattr(outputs, kind)[stage], field) for kind in KINDS])


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 4), st.integers(0, 3), st.integers(0, 99))
def test_equal_to_pytorch_with_the_published_mask(superpoints, queries, clicks, texts, seed):
    queries = min(queries, superpoints)
    if queries + clicks + texts == 0:
        return
    given_, model = inputs(superpoints, queries, clicks, texts, seed), decoder(seed=seed)
    outputs, stages = model(*given_), published(model, *given_)
    assert len(outputs.objects) == len(stages) == 4
    assert [len(getattr(outputs, kind)[0].masks) for kind in KINDS] == [queries, clicks, texts]
    for i, stage in enumerate(stages):
        for field in FIELDS:
            torch.testing.assert_close(rows(outputs, i, field), stage[field])
        torch.testing.assert_close(outputs.objects[i].iou, stage["iou"])
        assert outputs.clicks[i].iou is None
    torch.testing.assert_close(outputs.semantic, stages[-1]["semantic"])


def test_gradients_equal_those_of_pytorch():
    given_, model = inputs(9, 6, 3, 2), decoder()
    given_[0].requires_grad_()

    def gradients(found):
        torch.manual_seed(1)
        loss = sum((value * torch.randn_like(value)).sum() for value in found)
        model.zero_grad()
        given_[0].grad = None
        loss.backward()
        return {name: p.grad for name, p in model.named_parameters()} | {"features": given_[0].grad}

    outputs = model(*given_)
    got = gradients([rows(outputs, i, f) for i in range(4) for f in FIELDS] + [outputs.semantic])
    stages = published(model, *given_)
    expected = gradients([stage[f] for stage in stages for f in FIELDS] + [stages[-1]["semantic"]])
    assert {name for name, value in got.items() if value is None} == {
        "contrast_scale",
        *(f"heads.iou.{i}.{leaf}" for i in (0, 2, 4) for leaf in ("weight", "bias")),
    }
    for name, value in got.items():
        if value is not None:
            torch.testing.assert_close(value, expected[name], msg=lambda text, name=name: f"{name}: {text}")


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 4), st.integers(0, 4), st.booleans(), st.integers(0, 99))
def test_two_passes_are_one(superpoints, queries, clicks, texts, gradient, seed):
    queries = min(queries, superpoints)
    features, objects, where, said, prototypes = given_ = inputs(superpoints, queries, clicks, texts, seed)
    model = decoder(seed=seed)
    with torch.set_grad_enabled(gradient):  # two kernels for the attention
        whole, memory = model(*given_), model.memory(features)
        first = model.objects(memory, objects, prototypes, stages="all")
        for i, stage in enumerate(first.objects):
            for field in (*FIELDS, "iou"):
                torch.testing.assert_close(getattr(stage, field), getattr(whole.objects[i], field))
        torch.testing.assert_close(first.semantic, whole.semantic)
        together = model.prompts(memory, where, said, prototypes, stages="all")
        for i in range(4):
            for field in FIELDS:
                for kind in ("clicks", "texts"):
                    expected = getattr(getattr(whole, kind)[i], field)
                    torch.testing.assert_close(getattr(getattr(together, kind)[i], field), expected)
                for row in range(clicks):
                    alone = model.prompts(memory, where[row : row + 1], None, prototypes, stages="all")
                    expected = getattr(whole.clicks[i], field)[row : row + 1]
                    torch.testing.assert_close(getattr(alone.clicks[i], field), expected)
                    assert getattr(alone.texts[i], field).shape[0] == 0
        assert len(together.semantic) == len(together.objects[0].masks) == 0
        assert together.semantic.shape[1] == 21


def test_our_options_keep_prompts_apart():
    config = dataclasses.replace(SMALL, position_encoding=True, words=True, texts_see_all=True)
    model = decoder(config)
    features, objects, clicks, texts, classes = inputs(9, 6, 3, 4)
    generator = torch.Generator().manual_seed(5)
    positions = torch.randn(9, 3, generator=generator, dtype=torch.float64)
    words = Words(
        torch.randn(4, 5, 7, generator=generator, dtype=torch.float64),
        torch.arange(5) < torch.tensor([[5], [2], [3], [1]]),
    )
    together = model(features, objects, clicks, texts, classes, positions=positions, words=words)
    memory = model.memory(features, positions)
    alone = model.objects(memory, objects, classes)
    for field in FIELDS:
        torch.testing.assert_close(getattr(together.objects[-1], field), getattr(alone.objects[-1], field))
    for row in range(4):
        one = slice(row, row + 1)
        short = Words(words.tokens[one, : row + 5], words.mask[one, : row + 5])
        prompt = model.prompts(memory, clicks[:1], texts[one], classes, words=short)
        torch.testing.assert_close(together.texts[-1].masks[one], prompt.texts[-1].masks)
        torch.testing.assert_close(together.clicks[-1].masks[:1], prompt.clicks[-1].masks)
    # Padding is not read, words are, and so are places; where the scan lies in its frame does not matter.
    noisy = Words(words.tokens + 9 * (~words.mask)[..., None], words.mask)
    torch.testing.assert_close(
        model.prompts(memory, None, texts, classes, words=noisy).texts[-1].masks, together.texts[-1].masks
    )
    other = Words(words.tokens.flip(0), words.mask)
    assert not torch.allclose(
        model.prompts(memory, None, texts, classes, words=other).texts[-1].masks, together.texts[-1].masks
    )
    shifted = model.memory(features, positions + torch.tensor([5.0, -3.0, 2.0]))
    torch.testing.assert_close(shifted.masks, memory.masks)
    assert not torch.allclose(model.memory(features, positions.flip(0)).masks, memory.masks)
    with pytest.raises(InputError, match="positions"):
        model.memory(features)
    with pytest.raises(InputError, match="words of 4 texts, got none"):
        model.prompts(memory, None, texts, classes)
    with pytest.raises(InputError, match="words of 4 texts, got those of 1"):
        model.prompts(memory, None, texts, classes, words=words[:1])


def test_stray_superpoints_below_the_floor_do_not_move_the_rest():
    model = decoder(dataclasses.replace(SMALL, position_encoding=True))
    features = inputs(60, 6, 3, 4)[0]
    positions = torch.rand(60, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    positions[:20, 2] = 0.0  # the floor
    stray = positions.clone()
    stray[20, 2] = -0.5
    with torch.no_grad():
        a, b = model.memory(features, positions).masks, model.memory(features, stray).masks
    rest = torch.arange(60) != 20
    torch.testing.assert_close(a[rest], b[rest])
    assert not torch.allclose(a[20], b[20])


def test_the_last_stage_alone_runs_no_head_before():
    given_, model = inputs(9, 6, 3, 2), decoder()
    calls = dict.fromkeys(("things", "semantic", "iou"), 0)
    for name in calls:
        head = model.heads.get_submodule(name)
        head.register_forward_hook(lambda *_, name=name: calls.__setitem__(name, calls[name] + 1))
    every = model(*given_)
    assert calls == {"things": 4, "semantic": 1, "iou": 4}
    calls.update(dict.fromkeys(calls, 0))
    last = model(*given_, stages="last")
    assert calls == {"things": 1, "semantic": 1, "iou": 1}
    for kind in KINDS:
        (got,), expected = getattr(last, kind), getattr(every, kind)[-1]
        for field in FIELDS:
            assert torch.equal(getattr(got, field), getattr(expected, field))
    assert torch.equal(last.semantic, every.semantic)
    assert torch.equal(last.objects[0].iou, every.objects[-1].iou)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_class_logits(queries, classes, prototypes, seed):
    torch.manual_seed(seed)
    e = F.normalize(torch.randn(queries, 5, dtype=torch.float64), dim=-1)
    names = F.normalize(torch.randn(classes, prototypes, 5, dtype=torch.float64), dim=-1)
    logits = class_logits(e, names, 100.0)
    assert logits.shape == (queries, classes + 1)
    assert (logits[:, -1] == 0).all()
    for q in range(queries):
        for c in range(classes):
            best = max(float(e[q] @ p) for p in names[c])
            assert float(logits[q, c]) == pytest.approx(100 * best)
    repeated = torch.cat([names, names[:, :1]], dim=1)  # a class with fewer texts repeats its first
    assert torch.allclose(class_logits(e, repeated, 100.0), logits)


def test_pooling_over_masks():
    features = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    masks = torch.tensor([[1.0, -1, 2, -3], [-1, -1, -1, -1], [5, 5, 5, 5], [0, 0, 0, 1]], dtype=torch.float64)
    masks.requires_grad_()
    pooled = inside(masks, features)
    expected = torch.stack([features[[0, 2]].mean(0), features[0] * 0, features.mean(0), features[3]])
    torch.testing.assert_close(pooled, expected)
    pooled.sum().backward()
    assert masks.grad is None
    assert features.grad is not None
    assert torch.allclose(features.grad[1], torch.full((3,), 0.25, dtype=torch.float64))


def test_blocked_superpoints():
    masks = torch.tensor([[1.0, -1, 0, -3], [-1, -1, -1, -1], [5, 5, 5, 5]])
    assert blocked_by(masks).tolist() == [[False, True, False, True], [False] * 4, [False] * 4]
    assert blocked_by(masks[:0]).shape == (0, 4)


def test_initialisation():
    torch.manual_seed(0)
    model = Decoder(UniSeg3DConfig())
    bound = math.sqrt(6 / 512)  # Xavier, [256, 256]; PyTorch's own stays below 1/16
    for layer in model.layers:
        cross, among = layer.get_submodule("cross").attn, layer.get_submodule("among").attn
        assert 1 / 16 < cross.out_proj.weight.abs().max() <= bound
        assert among.out_proj.weight.abs().max() <= 1 / 16
        assert cross.in_proj_weight.abs().max() <= math.sqrt(6 / 1024)
        assert (cross.in_proj_bias == 0).all()
    assert 0.8 < model.kinds.weight.std() < 1.2
    assert float(model.contrast_scale.detach()) == pytest.approx(2.6593, abs=1e-4)


def test_half_precision_gives_full_precision_answers():
    given_ = [x.float() if x.is_floating_point() else x for x in inputs(30, 20, 3, 2)]
    model = decoder().float()
    exact = model(*given_)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model(*given_)
    for kind in KINDS:
        for field in FIELDS:
            value = getattr(getattr(rough, kind)[0], field)
            assert value.dtype == torch.float32
            expected = getattr(getattr(exact, kind)[0], field)
            # A mask logit that changes sign changes what is pooled, so classes may differ more.
            assert field == "classes" or torch.allclose(value, expected, atol=0.15, rtol=0.05)
    assert rough.semantic.dtype == rough.objects[0].iou.dtype == torch.float32
    assert all(bool(rows(rough, i, f).isfinite().all()) for i in range(4) for f in FIELDS)
    sum(rows(rough, i, f).square().mean() for i in range(4) for f in FIELDS).backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_bad_input():
    features, objects, clicks, texts, prototypes = inputs(9, 6, 3, 2)
    model = decoder()
    for bad in (torch.zeros(0, 5), torch.zeros(9, 4), torch.zeros(1, 9, 5)):
        with pytest.raises(InputError, match=r"superpoint features \[S, 5\]"):
            model.memory(bad)
    for arguments, name in (
        ((features, objects.double(), clicks, texts, prototypes), "objects int64"),
        ((features, objects, clicks[None], texts, prototypes), "clicks int64"),
        ((features, objects, clicks, texts[:, :4], prototypes), r"texts float \[T, 7\]"),
        ((features, objects, clicks, texts, prototypes[:18]), r"class_embeddings float \[20, K, 7\]"),
        ((features, objects, clicks, texts, prototypes[:, :0]), "K > 0"),
        ((features, objects, clicks, texts, prototypes[:, 0]), "class_embeddings"),
    ):
        with pytest.raises(InputError, match=name):
            model(*arguments)
    nothing = model.prompts(model.memory(features), None, None, prototypes)
    assert nothing.clicks[0].masks.shape == nothing.texts[0].masks.shape == (0, 9)
