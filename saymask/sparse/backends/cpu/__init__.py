"""The CPU backend: numba kernel maps and vector gather-GEMM."""
