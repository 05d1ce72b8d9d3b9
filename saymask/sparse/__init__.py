"""Sparse convolutions on occupied voxels: sites and kernel maps, operations with autograd, weight importers."""

from saymask.sparse.backends.select import cpu_has_bf16, inference_precision, use_backend
from saymask.sparse.kernel_map import KernelMap
from saymask.sparse.maps import build_map
from saymask.sparse.modules import SparseConv
from saymask.sparse.ops import inverse_conv, pool_mean, sparse_conv, strided_conv, subm_conv
from saymask.sparse.sites import Level, SitePyramid, build_sites, concatenate, official_extent

__all__ = [
    "KernelMap",
    "Level",
    "SitePyramid",
    "SparseConv",
    "build_map",
    "build_sites",
    "concatenate",
    "cpu_has_bf16",
    "inference_precision",
    "inverse_conv",
    "official_extent",
    "pool_mean",
    "sparse_conv",
    "strided_conv",
    "subm_conv",
    "use_backend",
]
