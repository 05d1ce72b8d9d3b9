"""The decoder of BQNet: what must not change its answer, fast forms against plain ones, precision, bad input."""

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.errors import InputError
from saymask.models.bqnet.attention import distance_weights
from saymask.models.bqnet.config import BQNetConfig
from saymask.models.bqnet.decoder import Decoder
from saymask.models.bqnet.heads import blocked_by
from saymask.models.bqnet.query_selection import QuerySelection, choose
from saymask.nn.attention import Attention
from saymask.nn.blocks import additive_mask

SMALL = BQNetConfig(
    widths=(5,), text_width=7, width=16, heads=2, layers=3, ffn_width=24, projection=6, seeds=9, queries=5
)


@dataclass(frozen=True)
class Inputs:
    """Arguments of the decoder."""

    features: torch.Tensor
    positions: torch.Tensor
    padding: torch.Tensor
    seeds: torch.Tensor
    tokens: torch.Tensor
    text_mask: torch.Tensor
    scene: torch.Tensor
    image: torch.Tensor | None = None

    def into(self, decoder, **options):
        return decoder(*vars(self).values(), **options)

    def sentence(self, u):
        """Return one sentence with its scan, both cut to what is not padding."""
        b = int(self.scene[u])
        s, l = int((~self.padding[b]).sum()), int(self.text_mask[u].sum())
        return Inputs(
            self.features[b : b + 1, :s],
            self.positions[b : b + 1, :s],
            self.padding[b : b + 1, :s],
            self.seeds[b : b + 1],
            self.tokens[u : u + 1, :l],
            self.text_mask[u : u + 1, :l],
            torch.zeros(1, dtype=torch.int64),
            None if self.image is None else self.image[b : b + 1, :s],
        )


def inputs(sizes, lengths, scene, config=SMALL, seed=0, image=False):
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    s, l = max(sizes), max(lengths)
    padding = torch.arange(s) >= torch.tensor(sizes)[:, None]
    real = (~padding)[..., None].double()
    return Inputs(
        features=random(len(sizes), s, config.widths[0]) * real,
        positions=random(len(sizes), s, 3) * real,
        padding=padding,
        seeds=torch.stack([torch.randint(n, (config.seeds,), generator=generator) for n in sizes]),
        tokens=random(len(lengths), l, config.text_width),
        text_mask=torch.arange(l) < torch.tensor(lengths)[:, None],
        scene=torch.tensor(scene),
        image=random(len(sizes), s, config.image_width) * real if image else None,
    )


def decoder(config=SMALL, seed=0):
    torch.manual_seed(seed)
    model = Decoder(config).double()
    for parameter in model.parameters():  # no zeros that hide a mistake
        torch.nn.init.normal_(parameter, std=0.3) if parameter.ndim < 2 else None
    return model


def flat(outputs):
    """Return every array of the outputs by name; masks over padding are left out."""
    arrays = {"seed_scores": outputs.seed_scores, "positions": outputs.positions, "chosen": outputs.chosen}
    for i, stage in enumerate(outputs.stages):
        arrays |= {f"{i}.{name}": value for name, value in vars(stage).items()}
    return arrays


def assert_same(got, expected, **tolerance):
    got, expected = flat(got), flat(expected)
    assert got.keys() == expected.keys()
    for name, value in got.items():
        torch.testing.assert_close(value, expected[name], msg=lambda text, name=name: f"{name}: {text}", **tolerance)


def cut(outputs, u, sizes, lengths, scene):
    """Return the outputs of one sentence of a batch, without padding."""
    s, l = sizes[scene[u]], lengths[u]
    stages = tuple(
        replace(
            stage,
            **{name: value[u : u + 1] for name, value in vars(stage).items()},
        )
        for stage in outputs.stages
    )
    stages = tuple(replace(x, masks=x.masks[..., :s], tokens=x.tokens[:, :l]) for x in stages)
    one = {name: getattr(outputs, name)[u : u + 1] for name in ("chosen", "seed_scores", "positions")}
    return replace(outputs, stages=stages, padding=outputs.padding[u : u + 1, :s], **one)


def by_superpoint(given_, outputs):
    """Return the outputs with the superpoints of the chosen seeds: of two seeds on one, either may be taken."""
    return replace(outputs, chosen=given_.seeds[given_.scene].gather(1, outputs.chosen))


@settings(max_examples=12, deadline=None)
@given(st.data())
def test_a_batch_is_its_sentences_one_by_one(data):
    sizes = data.draw(st.lists(st.integers(1, 14), min_size=1, max_size=3))
    lengths = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    scene = [data.draw(st.integers(0, len(sizes) - 1)) for _ in lengths]
    given_, model = inputs(sizes, lengths, scene, seed=data.draw(st.integers(0, 99))), decoder()
    whole = by_superpoint(given_, given_.into(model))
    for u in range(len(lengths)):
        one = given_.sentence(u)
        assert_same(by_superpoint(one, one.into(model)), cut(whole, u, sizes, lengths, scene))


def test_more_padding_changes_nothing_and_its_masks_are_zero():
    sizes, lengths, scene = [12, 7], [4, 3, 5], [0, 1, 1]
    given_, model = inputs(sizes, lengths, scene), decoder()

    def wider(x, value=0.0):
        return torch.cat([x, torch.full_like(x[:, :3], value)], 1)

    padded = replace(
        given_,
        features=wider(given_.features),
        positions=wider(given_.positions),
        padding=wider(given_.padding, True),
        tokens=wider(given_.tokens, 5.0),
        text_mask=wider(given_.text_mask, False),
    )
    got, expected = padded.into(model), given_.into(model)
    for u in range(3):
        assert_same(cut(got, u, sizes, lengths, scene), cut(expected, u, sizes, lengths, scene))
    for stage in got.stages:
        assert (stage.masks.masked_select(got.padding[:, None].expand_as(stage.masks)) == 0).all()
    torch.testing.assert_close(got.padding, padded.padding[padded.scene])


def test_one_scan_for_all_sentences_is_the_scan_copied_to_each():
    given_, model = inputs([13], [5, 3, 4, 5], [0, 0, 0, 0]), decoder()
    copied = replace(
        given_,
        **{name: getattr(given_, name).expand(4, *[-1] * (getattr(given_, name).ndim - 1)).clone()
           for name in ("features", "positions", "padding", "seeds")},
        scene=torch.arange(4),
    )  # fmt: skip
    results = []
    for x in (given_, copied):
        x = replace(x, features=x.features.clone().requires_grad_())
        outputs = x.into(model)
        total = sum(stage.masks.sin().sum() + stage.queries.sum() for stage in outputs.stages)
        grads = torch.autograd.grad(total + outputs.seed_scores.square().sum(), [x.features, *used(model)])
        results.append((outputs, [grads[0].sum(0), *grads[1:]]))
    assert_same(results[0][0], results[1][0])
    for got, expected in zip(results[0][1], results[1][1]):
        torch.testing.assert_close(got, expected)


def used(model):
    """Return the parameters that the outputs used in these tests depend on."""
    return [
        p for n, p in model.named_parameters() if not n.startswith(("heads.score", "heads.ind", "heads.text_proj"))
        and not n.startswith(f"layers.{len(model.layers) - 1}.text_ffn") and not n.startswith("offset")
    ]  # fmt: skip


def test_the_order_of_superpoints_only_orders_the_masks():
    given_, model = inputs([14], [4, 5], [0, 0]), decoder()
    order = torch.randperm(14)
    moved = replace(
        given_,
        features=given_.features[:, order],
        positions=given_.positions[:, order],
        seeds=order.argsort()[given_.seeds],
    )
    expected = given_.into(model)
    stages = tuple(replace(stage, masks=stage.masks[..., order]) for stage in expected.stages)
    assert_same(moved.into(model), replace(expected, stages=stages))


@pytest.mark.parametrize("form", ["plain", "torch"])
def test_fast_attention_gives_the_plain_values_and_gradients(form, monkeypatch):
    given_, model = inputs([40, 31], [5, 3, 4], [0, 0, 1]), decoder()
    forms = []
    cheapest = Attention._cheapest

    def total(outputs):
        terms = [x.sin().sum() for name, x in flat(outputs).items() if name != "chosen"]
        return sum(terms[1:], terms[0])

    def run():
        features = given_.features.clone().requires_grad_()
        outputs = replace(given_, features=features).into(model)
        parameters = list(model.parameters())
        return outputs, torch.autograd.grad(total(outputs), [features, *parameters])

    def recorded(self, query, memory):
        forms.append(cheapest(self, query, memory))
        return forms[-1]

    monkeypatch.setattr(Attention, "_cheapest", recorded)
    outputs, grads = run()
    assert {"few-queries", "few-keys", "plain"} == set(forms)
    monkeypatch.setattr(Attention, "_cheapest", lambda *_: form)
    plain, expected = run()
    assert_same(outputs, plain)
    for (name, _), got, wanted in zip([("features", 0), *model.named_parameters()], grads, expected):
        torch.testing.assert_close(got, wanted, msg=lambda text, name=name: f"{name}: {text}")


def test_every_parameter_learns():
    given_, model = inputs([20, 15], [5, 3, 4], [0, 0, 1]), decoder()
    outputs = given_.into(model)
    sum(x.sin().sum() for name, x in flat(outputs).items() if name != "chosen").backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not idle


def test_only_the_final_answer_outside_training_unless_asked():
    given_, model = inputs([9], [3], [0]), decoder()
    everything = given_.into(model)
    assert len(everything.stages) == SMALL.layers + 1
    model.eval()
    final = given_.into(model)
    assert len(final.stages) == 1
    assert final.final is final.stages[-1]
    asked = given_.into(model, auxiliary=True)
    assert len(asked.stages) == SMALL.layers + 1
    assert_same(replace(asked, stages=asked.stages[-1:]), final)
    assert_same(asked, everything)  # no dropout, no batch statistics: training changes nothing else
    assert len(given_.into(model.train(), auxiliary=False).stages) == 1


def test_few_superpoints_and_few_seeds():
    config = replace(SMALL, queries=12)  # more than there are seeds
    given_, model = inputs([2], [4, 3], [0, 0], config), decoder(config)
    outputs = given_.into(model)
    assert outputs.final.masks.shape == (2, 9, 2)
    torch.testing.assert_close(outputs.chosen, torch.arange(9).expand(2, 9))
    assert all(x.isfinite().all() for x in flat(outputs).values())
    outputs.final.masks.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_selection_shares_each_token_over_the_seeds():
    torch.manual_seed(0)
    select = QuerySelection(8)
    seeds, text, mask = torch.randn(2, 5, 8), torch.randn(3, 4, 8), torch.rand(3, 4) < 0.7
    scene = torch.tensor([1, 0, 1])
    scores = select(seeds, text, mask, scene)
    for u in range(3):
        a = select.seed_proj(seeds[scene[u]]) @ select.text_proj(text[u]).T / 8**0.5
        torch.testing.assert_close(scores[u], (a.softmax(0) * mask[u]).sum(1))
    torch.testing.assert_close(scores.sum(1), mask.sum(1).float())
    assert choose(torch.tensor([[0.1, 0.9, 0.5]]), 2).tolist() == [[1, 2]]
    assert choose(torch.tensor([[0.1, 0.9, 0.5]]), 3).tolist() == [[1, 2, 0]]
    assert choose(torch.tensor([[0.1, 0.9, 0.5]]), 4).tolist() == [[0, 1, 2]]


def test_blocked_superpoints():
    masks = torch.tensor([[[-1.0, 0.0, 2.0, 3.0], [-1.0, -2.0, -3.0, 4.0], [1.0, 1.0, 1.0, 1.0]]])
    padding = torch.tensor([[False, False, False, True]])
    got = blocked_by(masks, padding)[0].tolist()
    assert got == [[True, False, False, True], [False, False, False, True], [False, False, False, True]]
    assert blocked_by(masks, None)[0].tolist() == [[True, False, False, False], [True, True, True, False], [False] * 4]
    assert not blocked_by(-masks.abs() - 1, None).any()
    bias = additive_mask(torch.tensor([True, False]))
    assert bias.tolist() == [float("-inf"), 0.0]
    with torch.autocast("cpu", torch.bfloat16):
        assert additive_mask(torch.tensor([True])).dtype == torch.bfloat16


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(0, 99))
def test_distance_weights(count, seed):
    positions = torch.randn(2, count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    got = distance_weights(positions, 3.0)
    squared = torch.cdist(positions, positions).square()
    expected = torch.exp(-3 * squared / (squared.max(-1, keepdim=True).values + 1e-6))
    torch.testing.assert_close(got, expected)
    assert (got.diagonal(dim1=1, dim2=2) == 1).all()
    assert got.min() >= torch.exp(torch.tensor(-3.0))


def test_bfloat16_autocast_is_close():
    config = replace(SMALL, width=64, heads=4, ffn_width=128, queries=20, seeds=16)  # all seeds: no choice to flip
    given_ = inputs([60, 45], [8, 6, 7], [0, 0, 1], config)
    given_ = Inputs(*(x.float() if x is not None and x.is_floating_point() else x for x in vars(given_).values()))
    torch.manual_seed(0)
    model = Decoder(config)
    exact = given_.into(model)
    with torch.autocast("cpu", torch.bfloat16):
        narrow = given_.into(model)
    assert all(x.dtype in (torch.float32, torch.int64) for x in flat(narrow).values())
    torch.testing.assert_close(narrow.stages[0].masks, exact.stages[0].masks, atol=0.05, rtol=0.05)
    for got, expected in zip(narrow.stages, exact.stages):
        for name in ("masks", "queries", "tokens", "indicators"):
            a, b = getattr(got, name).flatten(), getattr(expected, name).flatten()
            assert torch.cosine_similarity(a, b, dim=0) > 0.99, name
    torch.testing.assert_close(narrow.positions, exact.positions, atol=0.02, rtol=0.02)
    sum(stage.masks.sin().sum() for stage in narrow.stages).backward()
    assert all(
        p.grad is None or (p.grad.dtype == torch.float32 and p.grad.isfinite().all()) for p in model.parameters()
    )


def test_2d_features_exactly_where_the_config_has_them():
    config = replace(SMALL, image_features="some", image_width=6)
    given_ = inputs([11, 8], [3, 4], [1, 0], config, image=True)
    model = decoder(config)
    outputs = given_.into(model)
    for u in range(2):
        assert_same(given_.sentence(u).into(model), cut(outputs, u, [11, 8], [3, 4], [1, 0]))
    other = replace(given_, image=given_.image * 100).into(model)
    assert (other.final.masks - outputs.final.masks).abs().max() > 1e-3
    with pytest.raises(InputError, match="takes 2D features, got none"):
        replace(given_, image=None).into(model)
    with pytest.raises(InputError, match="takes no 2D features, got an array"):
        given_.into(decoder())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("positions", lambda x: x.positions[:, 1:]),
        ("padding", lambda x: x.padding[:, 1:]),
        ("seeds", lambda x: x.seeds[:1]),
        ("seeds", lambda x: x.seeds[:, :0]),
        ("text_mask", lambda x: x.text_mask[:, 1:]),
        ("scene", lambda x: x.scene[1:]),
    ],
)
def test_arrays_that_do_not_fit(name, change):
    given_ = inputs([6, 5], [3, 2], [0, 1])
    with pytest.raises(InputError, match=f"expected {name}"):
        replace(given_, **{name: change(given_)}).into(decoder())


def test_initialisation():
    torch.manual_seed(0)
    model = Decoder(replace(SMALL, width=64, heads=4))
    layer = model.layers[0]
    for part in (layer.text_scan, layer.scan_text, layer.query_scan, layer.query_text):
        bound = (6 / 128) ** 0.5  # Xavier-uniform of a 64x64 matrix
        assert bound > part.attn.out_proj.weight.abs().max() > 0.9 * bound
        assert not hasattr(part, "norm")
    for part in (layer.text_self, layer.query_self, layer.query_space, model.seed_context):
        bound = 1 / 8  # the framework's linear layer
        assert bound > part.attn.out_proj.weight.abs().max() > 0.9 * bound
    for module in model.modules():
        if isinstance(module, Attention):
            bound = (6 / (3 * 64 + 64)) ** 0.5  # of the packed matrix
            assert bound > module.in_proj_weight.abs().max() > 0.9 * bound
            assert (module.in_proj_bias == 0).all()
            assert (module.out_proj.bias == 0).all()
