"""The counting of votes, compiled."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def surplus(masks, index, size):
    """Return int64 [J, size]: how many more of a superpoint's points lie inside of a mask than outside."""
    more = np.zeros((len(masks), size), np.int64)
    for m in range(len(masks)):
        for point in range(len(index)):
            more[m, index[point]] += 1 if masks[m, point] else -1
    return more
