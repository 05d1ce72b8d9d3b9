"""Points under a matrix.

Not by BLAS: its threads start for products as thin as these, and on busy cores wait for each other many times longer
than they multiply.
"""

import numpy as np


def times(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return points [N, D] @ matrix [D, E], [N, E] in their common dtype."""
    return np.einsum("nd,de->ne", points, matrix)


def moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return float64 [N, 3]: points [N, 3] under the upper three rows of a 4x4 matrix."""
    return times(np.asarray(points, np.float64), matrix[:3, :3].T) + matrix[:3, 3]
