"""Sparse convolutions: against dense ones, twin against CPU kernels (values and gradients), gradcheck, bad input."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from saymask.errors import InputError
from saymask.sparse import (
    build_map,
    build_sites,
    cpu_has_bf16,
    inverse_conv,
    pool_mean,
    sparse_conv,
    strided_conv,
    subm_conv,
    use_backend,
)
from saymask.sparse.backends import reference
from saymask.sparse.backends.cpu import amx
from saymask.sparse.backends.cpu import ops as cpu
from tests.sparse.helpers import site_sets, some_sites

CHANNELS = st.sampled_from([1, 2, 3, 6, 15, 16, 17, 24, 32, 33, 48, 65, 80])


def _dense(level, feats):
    """Features on a dense grid [1, C, X, Y, Z] of a one-scene level with coordinates from 0."""
    shape = (level.coords[:, 1:].max(0).values + 1).tolist()
    grid = feats.new_zeros(feats.shape[1], *shape)
    x, y, z = level.coords[:, 1:].long().T
    grid[:, x, y, z] = feats.T
    return grid[None]


def _at(grid, level):
    x, y, z = level.coords[:, 1:].long().T
    return grid[0][:, x, y, z].T


@pytest.mark.parametrize("backend", ["cpu", "torch"])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_submanifold_is_a_dense_convolution(backend, size):
    coords = some_sites(reach=4)
    coords = coords[coords[:, 0] == 0]
    coords[:, 1:] += 4
    level = build_sites(coords, 1).levels[0]
    x, w = torch.randn(len(level), 5), torch.randn(size**3, 5, 7)
    dense = F.conv3d(_dense(level, x), w.reshape(size, size, size, 5, 7).permute(4, 3, 0, 1, 2), padding=size // 2)
    got = subm_conv(x, w, level, torch.ones(7), backend=backend)
    torch.testing.assert_close(got, _at(dense, level) + 1, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", ["cpu", "torch"])
def test_strided_and_inverse_are_dense_convolutions(backend):
    coords = some_sites(reach=4)
    coords = coords[coords[:, 0] == 0]
    coords[:, 1:] += 4
    fine, coarse = build_sites(coords, 2).levels
    x, w = torch.randn(len(fine), 5), torch.randn(8, 5, 7)
    kernel = w.reshape(2, 2, 2, 5, 7)
    down = F.conv3d(_dense(fine, x), kernel.permute(4, 3, 0, 1, 2), stride=2)
    got = strided_conv(x, w, fine, backend=backend)
    inside = (coarse.coords[:, 1:] < torch.tensor(down.shape[2:])).all(1)  # dense drops what does not fill a window
    torch.testing.assert_close(got[inside], _at(down, _Part(coarse, inside)), rtol=1e-4, atol=1e-4)
    y = torch.randn(len(coarse), 5)
    up = F.conv_transpose3d(_dense(coarse, y), kernel.permute(3, 4, 0, 1, 2), stride=2)
    torch.testing.assert_close(inverse_conv(y, w, fine, backend=backend), _at(up, fine), rtol=1e-4, atol=1e-4)


class _Part:
    def __init__(self, level, kept):
        self.coords = level.coords[kept]


def _run(kind, coords, cin, cout, backend, seed, dtype=torch.float32):
    """Output and gradients (input, weight) of one operation with drawn values."""
    generator = torch.Generator().manual_seed(seed)
    with use_backend(backend):
        pyramid = build_sites(coords, 2)
        fine = pyramid.levels[0]
        kernel_map = {"subm": fine.kernel_map, "down": lambda: fine.down, "up": lambda: fine.up}[kind]()
        x = torch.randn(kernel_map.n_in, cin, generator=generator).to(dtype).requires_grad_()
        w = (torch.randn(kernel_map.volume, cin, cout, generator=generator) / cin**0.5).to(dtype).requires_grad_()
        y = sparse_conv(x, w, kernel_map)
        y.backward(torch.randn(y.shape, generator=generator).to(dtype))
    return y.detach(), x.grad, w.grad


@settings(max_examples=60, deadline=None)
@given(site_sets(), CHANNELS, CHANNELS, st.sampled_from(["subm", "down", "up"]), st.integers(0, 1000))
def test_twins_agree_in_values_and_gradients(coords, cin, cout, kind, seed):
    fast = _run(kind, coords, cin, cout, "cpu", seed)
    twin = _run(kind, coords, cin, cout, "torch", seed)
    for a, b in zip(fast, twin):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_twins_agree_over_many_blocks():
    coords = torch.unique(torch.randint(0, 34, (24_000, 4), generator=torch.Generator().manual_seed(0)), dim=0)
    coords[:, 0] %= 2
    coords = torch.unique(coords, dim=0)
    assert len(coords) > 16_384  # the large block size
    threads = torch.get_num_threads()
    try:
        for count in (1, 3):  # parts of several threads must add up to the same
            torch.set_num_threads(count)
            for a, b in zip(_run("subm", coords, 24, 40, "cpu", 1), _run("subm", coords, 24, 40, "torch", 1)):
                torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.skipif(not cpu_has_bf16(), reason="this CPU has no bfloat16 multiplication")
@pytest.mark.parametrize("channels", [(6, 32), (7, 16), (33, 20)])
@pytest.mark.parametrize("tiles", [True, False])
def test_bfloat16_products_are_summed_in_float32(channels, tiles, monkeypatch):
    if tiles and not amx.has_amx():
        pytest.skip("this CPU has no AMX")
    monkeypatch.setattr(amx, "has_amx", lambda: tiles)
    coords = some_sites()
    low = _run("subm", coords, *channels, "cpu", 3, torch.bfloat16)
    exact = _run("subm", coords, *channels, "torch", 3, torch.bfloat16)
    for a, b in zip(low, exact):
        assert a.dtype == torch.bfloat16
        assert (a.float() - b.float()).norm() <= 0.01 * b.float().norm()


def _whole_numbers(*shape, generator):
    """Draw small integers: exact in bfloat16, so that products on AMX tiles are those of float32."""
    return torch.randint(-4, 5, shape, generator=generator).float()


def _check_amx(kernel_map, cin, cout, seed):
    generator = torch.Generator().manual_seed(seed)
    x = _whole_numbers(kernel_map.n_in, cin, generator=generator)
    w = _whole_numbers(kernel_map.volume, cin, cout, generator=generator)
    g = _whole_numbers(kernel_map.n_out, cout, generator=generator)
    y, dw = reference.conv(x, w, kernel_map), reference.weight_gradient(x, g, kernel_map)
    assert torch.equal(cpu.conv(x, w, kernel_map), y)
    assert torch.equal(cpu.weight_gradient(x, g, kernel_map), dw)
    assert torch.equal(cpu.conv(x.bfloat16(), w.bfloat16(), kernel_map), y.bfloat16())
    assert torch.equal(cpu.weight_gradient(x.bfloat16(), g.bfloat16(), kernel_map), dw.bfloat16())


@pytest.fixture
def torchs_switch():
    """Let float32 features multiply in bfloat16."""
    if not amx.has_amx():
        pytest.skip("this CPU has no AMX")
    before = torch.backends.mkldnn.conv.fp32_precision
    torch.backends.mkldnn.conv.fp32_precision = "bf16"
    yield
    torch.backends.mkldnn.conv.fp32_precision = before


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["subm", "down", "up"]), site_sets(), CHANNELS, CHANNELS, st.integers(0, 9))
def test_amx_agrees_with_the_reference(torchs_switch, kind, coords, cin, cout, seed):
    fine = build_sites(coords, 2).levels[0]
    kernel_map = {"subm": fine.kernel_map, "down": lambda: fine.down, "up": lambda: fine.up}[kind]()
    _check_amx(kernel_map, cin, cout, seed)


@pytest.mark.parametrize("threads", [1, 3])
def test_amx_agrees_over_many_blocks(torchs_switch, threads):
    coords = torch.unique(torch.randint(0, 30, (20_000, 4), generator=torch.Generator().manual_seed(1)), dim=0)
    coords[:, 0] = 0
    kernel_map = build_sites(torch.unique(coords, dim=0), 1).levels[0].kernel_map()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for cin, cout in ((32, 48), (80, 16), (17, 130)):
            _check_amx(kernel_map, cin, cout, 0)
    finally:
        torch.set_num_threads(before)


def test_the_switch_rounds_products_and_nothing_else(torchs_switch):
    kernel_map = build_sites(some_sites(), 1).levels[0].kernel_map()
    x, w = torch.randn(kernel_map.n_in, 24), torch.randn(27, 24, 40)
    rounded = reference.conv(x.bfloat16().double(), w.bfloat16().double(), kernel_map)
    torch.testing.assert_close(cpu.conv(x, w, kernel_map).double(), rounded, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", ["subm", "down", "up"])
@pytest.mark.parametrize("backend", ["cpu", "torch"])
def test_gradcheck_in_float64(kind, backend):
    fine = build_sites(some_sites(30, 2), 2).levels[0]
    kernel_map = {"subm": fine.kernel_map, "down": lambda: fine.down, "up": lambda: fine.up}[kind]()
    x = torch.randn(kernel_map.n_in, 2, dtype=torch.float64, requires_grad=True)
    w = torch.randn(kernel_map.volume, 2, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *a: sparse_conv(a[0], a[1], kernel_map, a[2], backend=backend), (x, w, bias))


@settings(max_examples=25, deadline=None)
@given(site_sets(40), site_sets(40), st.integers(1, 5), st.sampled_from([1, 2, 4]))
def test_general_maps_by_definition(a, b, size, step):
    ins, outs = build_sites(a, 1).levels[0], build_sites(b, 1).levels[0]
    rows = {tuple(c): i for i, c in enumerate(ins.coords.tolist())}
    first = -(size // 2) if size % 2 else 0
    axis = [(first + i) * step for i in range(size)]
    expected = [
        [rows.get((n, x + dx, y + dy, z + dz), -1) for dx in axis for dy in axis for dz in axis]
        for n, x, y, z in outs.coords.tolist()
    ]
    for backend in ("cpu", "torch"):
        got = build_map(ins.keys, outs.keys, size, step=step, backend=backend)
        assert got.table.tolist() == expected
        if size % 2:
            whole = build_map(ins.keys, ins.keys, size, step=step, backend=backend)
            assert torch.equal(whole.table, build_map(ins.keys, ins.keys.clone(), size, step=step).table)


def test_pool_mean():
    values = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [100.0, 100.0]], requires_grad=True)
    index = torch.tensor([0, 0, 2, -1])
    got = pool_mean(values, index, 4)
    assert got.tolist() == [[2.0, 3.0], [0.0, 0.0], [5.0, 6.0], [0.0, 0.0]]
    got.sum().backward()
    assert values.grad.tolist() == [[0.5, 0.5], [0.5, 0.5], [1.0, 1.0], [0.0, 0.0]]
    weighted = pool_mean(values, index, 3, torch.tensor([1.0, 3.0, 0.0, 1.0]))
    assert weighted.tolist() == [[2.5, 3.5], [0.0, 0.0], [0.0, 0.0]]
    assert pool_mean(values[:0], index[:0], 2).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    double = values.detach().double().requires_grad_()
    mass = torch.rand(4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v, w: pool_mean(v, index, 4, w), (double, mass))


def test_bad_arguments():
    level = build_sites(some_sites(), 1).levels[0]
    x = torch.randn(len(level), 3)
    with pytest.raises(InputError, match="weight"):
        sparse_conv(x, torch.randn(8, 3, 4), level.kernel_map())
    with pytest.raises(InputError, match="features"):
        subm_conv(x[1:], torch.randn(27, 3, 4), level)
    with pytest.raises(InputError, match="float64"):
        subm_conv(x, torch.randn(27, 3, 4, dtype=torch.float64), level)
    with pytest.raises(InputError, match="odd"):
        level.kernel_map(2)
    with pytest.raises(InputError, match="reaches farther"):
        build_map(level.keys, level.keys, 3, step=600)
    with pytest.raises(InputError, match="unknown sparse backend"):
        subm_conv(x, torch.randn(27, 3, 4), level, backend="cuda")
    with pytest.raises(InputError, match="index"):
        pool_mean(x, torch.full((len(x),), 9), 5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_runs_through_the_twin():
    coords = some_sites()
    w = torch.randn(27, 6, 16)
    level = build_sites(coords, 2).build_maps().levels[0]
    x = torch.randn(len(level), 6)
    expected = subm_conv(x, w, level)
    for pyramid in (build_sites(coords, 2).build_maps().to("cuda"), build_sites(coords.cuda(), 2)):
        got = subm_conv(x.cuda(), w.cuda(), pyramid.levels[0])
        torch.testing.assert_close(got.cpu(), expected, rtol=1e-3, atol=1e-3)
    with pytest.raises(InputError, match="CPU"):
        subm_conv(x.cuda(), w.cuda(), pyramid.levels[0], backend="cpu")
