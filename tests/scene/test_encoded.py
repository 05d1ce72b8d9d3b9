"""Encoded scans that are kept: which go, what they weigh, and that each is made once."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import torch
from cachetools import LRUCache
from scipy.spatial import KDTree
from torch import nn

from saymask.scene.encoded import EncodedScans
from saymask.util.sizes import held_bytes


def scene(size: int) -> SimpleNamespace:
    return SimpleNamespace(array=np.zeros(size, np.uint8))


def test_the_least_recently_used_goes():
    kept = EncodedScans(most=2)
    for key in "ab":
        kept.put(key, scene(1))
    assert kept.get("a") is not None
    kept.put("c", scene(1))
    assert [key in kept for key in "abc"] == [True, False, True]


def test_bytes_are_bounded_and_measured_again():
    kept = EncodedScans(most_bytes=1000)
    first, second = scene(400), scene(400)
    kept.put("a", first)
    kept.put("b", second)
    assert (len(kept), kept.nbytes) == (2, 800)
    second.answers = np.zeros(300, np.uint8)
    kept.measure("b")
    assert ("a" in kept, "b" in kept, kept.nbytes) == (False, True, 700)
    kept.put("large", scene(5000))
    assert (len(kept), kept.nbytes) == (1, 5000)  # the one in use stays
    kept.put("small", scene(10))
    assert (len(kept), kept.nbytes) == (1, 10)
    kept.forget("small")
    assert (len(kept), kept.nbytes) == (0, 0)
    kept.measure("small")
    assert kept.nbytes == 0


def test_each_is_made_once_and_one_at_a_time():
    kept, made, busy = EncodedScans(), [], []

    def make():
        assert not busy
        busy.append(1)
        time.sleep(0.02)
        busy.pop()
        made.append(1)
        return scene(1)

    threads = [threading.Thread(target=kept.get_or_make, args=(key, make)) for key in "aabbaabb"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 2


def test_what_objects_hold():
    array = np.zeros(100, np.float32)
    tensor = torch.zeros(50)
    thing = SimpleNamespace(
        whole=array, view=array[::2].reshape(5, 10), list=[tensor, tensor[3:]], more={"a": (np.zeros(7, np.uint8),)},
        model=nn.Linear(1000, 1000),
    )  # fmt: skip
    thing.itself = thing
    thing.cache = LRUCache(2)
    thing.cache["old"], thing.cache["new"] = array[:3], tensor
    assert held_bytes(thing) == 400 + 200 + 7
    assert held_bytes(thing, SimpleNamespace(again=array)) == 400 + 200 + 7
    thing.cache["newest"] = np.zeros(11, np.uint8)
    assert list(thing.cache) == ["new", "newest"]  # looking at them is no use of them
    assert held_bytes(thing) == 400 + 200 + 7 + 11
    tree = KDTree(np.zeros((40, 3)))
    assert held_bytes(tree) == 40 * 3 * 8 + 40 * tree.indices.itemsize
