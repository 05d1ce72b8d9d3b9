"""The sparse U-Net: every path gives the same, training works, official weights, bad input."""

import copy

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from saymask.errors import InputError
from saymask.nn.unet.network import SparseUNet
from saymask.sparse import build_sites, cpu_has_bf16, use_backend
from tests.parity.backbones import filled_unet, official_shapes
from tests.sparse.helpers import site_sets, some_sites


def _net(widths=(10, 16, 24), block_reps=2, seed=0):
    torch.manual_seed(seed)
    net = SparseUNet(6, widths, block_reps)
    pyramid = build_sites(some_sites(), len(widths))
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(len(pyramid), 6), pyramid)
    return net.eval()


@settings(max_examples=20, deadline=None)
@given(site_sets())
def test_fused_equals_twin(coords):
    net = _net()
    pyramid = build_sites(coords, 3)
    x = torch.randn(len(coords), 6)
    for hook in (None, lambda level, x: x * (0.9 + level)):
        with torch.no_grad():
            fused, levels = net(x, pyramid, hook, return_levels=True)
            alone = net(x, pyramid, hook)
            with use_backend("torch"):
                twin, twin_levels = net(x, pyramid, hook, return_levels=True)
        torch.testing.assert_close(fused, twin, rtol=1e-3, atol=1e-4)
        assert torch.equal(fused, alone)
        for a, b in zip(levels, twin_levels):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(net(x, pyramid, hook), twin, rtol=1e-3, atol=1e-4)  # with autograd: layer by layer


@pytest.mark.parametrize(("widths", "reps"), [((8,), 1), ((8,), 2), ((8, 12), 1), ((16, 8, 4), 3)])
def test_fused_equals_twin_for_other_shapes(widths, reps):
    net = _net(widths, reps)
    pyramid = build_sites(some_sites(), len(widths))
    x = torch.randn(len(pyramid), 6)
    with torch.no_grad():
        fused, levels = net(x, pyramid, return_levels=True)
        with use_backend("torch"):
            twin, twin_levels = net(x, pyramid, return_levels=True)
    torch.testing.assert_close(fused, twin, rtol=1e-4, atol=1e-4)
    assert len(levels) == len(widths)
    for a, b in zip(levels, twin_levels):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_what_at_level_saw_is_not_overwritten():
    net = _net()
    pyramid = build_sites(some_sites(), 3)
    seen, copies = [], []

    def look(level, x):
        seen.append(x)
        copies.append(x.clone())
        return x

    with torch.no_grad():
        net(torch.randn(len(pyramid), 6), pyramid, look)
    assert [len(s) for s in seen] == [len(level) for level in pyramid.levels]
    for a, b in zip(seen, copies):
        assert torch.equal(a, b)


def test_a_batch_equals_one_scene_at_a_time():
    net = _net()
    coords = some_sites()
    both = build_sites(coords, 3)
    x = torch.randn(len(coords), 6)
    with torch.no_grad():
        together = net(x[both.order], both)[both.inverse]
        for scene in (0, 1):
            rows = torch.nonzero(coords[:, 0] == scene).squeeze(1)
            one = build_sites(coords[rows], 3)
            alone = net(x[rows][one.order], one)[one.inverse]
            torch.testing.assert_close(alone, together[rows], rtol=1e-4, atol=1e-5)


def test_training_gradients_equal_the_twin():
    pyramid = build_sites(some_sites(), 3)
    x = torch.randn(len(pyramid), 6)
    probe = torch.randn(len(pyramid), 10)
    gradients, buffers = {}, {}
    for backend in ("cpu", "torch"):
        net = copy.deepcopy(_net()).train()
        with use_backend(backend):
            (net(x, pyramid) * probe).sum().backward()
        gradients[backend] = {n: p.grad for n, p in net.named_parameters()}
        buffers[backend] = {n: b.clone() for n, b in net.named_buffers() if b.dtype.is_floating_point}
    for name, expected in gradients["torch"].items():
        scale = expected.abs().max().item()
        torch.testing.assert_close(gradients["cpu"][name], expected, rtol=1e-3, atol=1e-4 * scale, msg=name)
    for name, expected in buffers["torch"].items():
        torch.testing.assert_close(buffers["cpu"][name], expected, rtol=1e-4, atol=1e-5, msg=name)


def test_a_few_steps_fit_a_target():
    torch.manual_seed(0)
    net = SparseUNet(6, (8, 16)).train()
    pyramid = build_sites(some_sites(), 2)
    x = torch.randn(len(pyramid), 6)
    target = (x[:, :1] > 0).float()
    optimiser = torch.optim.AdamW(net.parameters(), 1e-2)
    losses = []
    for _ in range(25):
        loss = (net(x, pyramid)[:, :1] - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_changed_weights_are_used():
    net = _net()
    pyramid = build_sites(some_sites(), 3)
    x = torch.randn(len(pyramid), 6)
    with torch.no_grad():
        before = net(x, pyramid)
        for parameter in net.parameters():
            parameter.mul_(1.5)
        after = net(x, pyramid)
        with use_backend("torch"):
            torch.testing.assert_close(after, net(x, pyramid), rtol=1e-3, atol=1e-4)
    assert not torch.allclose(before, after)


@pytest.mark.skipif(not cpu_has_bf16(), reason="this CPU has no bfloat16 multiplication")
def test_bfloat16_is_close():
    net = _net((32, 48, 64))
    pyramid = build_sites(some_sites(2000, 9), 3)
    x = torch.randn(len(pyramid), 6)
    with torch.no_grad():
        exact, levels = net(x, pyramid, return_levels=True)
        with torch.autocast("cpu", torch.bfloat16):
            low, low_levels = net(x, pyramid, return_levels=True)
    for a, b in [(low, exact), *zip(low_levels, levels)]:
        assert (a - b).norm() < 0.01 * b.norm()


def test_bfloat16_training_gives_gradients():
    net = _net().train()
    pyramid = build_sites(some_sites(), 3)
    with torch.autocast("cpu", torch.bfloat16):
        loss = net(torch.randn(len(pyramid), 6), pyramid).float().square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_hooks_and_sync_batch_norm_still_work():
    net = _net()
    pyramid = build_sites(some_sites(), 3)
    x = torch.randn(len(pyramid), 6)
    with torch.no_grad():
        expected = net(x, pyramid)
        seen = []
        handle = net.levels[1].blocks[0].register_forward_hook(lambda m, i, o: seen.append(o))
        torch.testing.assert_close(net(x, pyramid), expected, rtol=1e-4, atol=1e-5)
        handle.remove()
        assert len(seen) == 1
        converted = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(net))
        assert any(isinstance(m, nn.SyncBatchNorm) for m in converted.modules())
        torch.testing.assert_close(converted(x, pyramid), expected, rtol=1e-4, atol=1e-5)


def test_official_names_are_complete_and_ours():
    net = SparseUNet()
    assert set(net.official_keys()) == set(net.state_dict())
    assert len(official_shapes(net)) == 274


def test_spconv1_layout_loads_the_same():
    net = filled_unet()
    from saymask.sparse.importers import to_spconv1

    state = {}
    for ours, theirs in net.official_keys().items():
        value = net.state_dict()[ours]
        if ours.endswith("shortcut.weight"):
            value = to_spconv1(value.T[None])
        state[theirs] = to_spconv1(value) if value.ndim == 3 else value
    other = SparseUNet()
    assert len(other.load_official(state, "spconv1")) == 274
    for name, value in net.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name


def test_bad_checkpoints_and_arguments():
    net = SparseUNet()
    with pytest.raises(InputError, match="misses"):
        net.load_official({})
    state = {name: torch.zeros(shape) for name, shape in official_shapes(net).items()}
    with pytest.raises(InputError, match="another shape"):
        SparseUNet(4).load_official(state)
    with pytest.raises(InputError, match="layout"):
        net.load_official(state, "spconv3")
    with pytest.raises(InputError, match="levels"):
        net(torch.zeros(1, 6), build_sites(torch.zeros(1, 4, dtype=torch.int32), 2))
    with pytest.raises(InputError, match="features"):
        net(torch.zeros(2, 6), build_sites(torch.zeros(1, 4, dtype=torch.int32)))
    with pytest.raises(InputError, match="width"):
        SparseUNet(6, ())
