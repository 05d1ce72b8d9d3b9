import multiprocessing
import os
import pickle
import queue
import signal
import sqlite3
import stat
import time
import warnings

import pytest
import torch

from saymask.errors import InputError
from saymask.text import CachedText, FrozenText, load_text_encoder
from saymask.text.store import FeatureStore
from saymask.util.files import cache_folder
from tests.text.tiny import SENTENCES


@pytest.fixture(scope="module")
def encoder(folders):
    return load_text_encoder(str(folders["bert"]))


@pytest.fixture
def calls(encoder, monkeypatch):
    """Texts that reached the encoder."""
    seen: list[str] = []
    forward = encoder.forward
    monkeypatch.setattr(encoder, "forward", lambda texts: (seen.extend(texts), forward(texts))[1])
    return seen


def same(a, b, atol=0.0):
    assert torch.allclose(a.tokens, b.tokens, rtol=0, atol=atol)
    assert torch.allclose(a.sentence, b.sentence, rtol=0, atol=atol)
    assert (a.mask == b.mask).all()
    assert (a.offsets == b.offsets).all()


def test_equal_to_the_encoder_and_encoded_once(encoder, calls, tmp_path):
    cached = CachedText(encoder, folder=tmp_path)
    first = cached(SENTENCES)
    with torch.no_grad():
        same(first, encoder(SENTENCES), atol=1e-5)
    calls.clear()
    same(cached(SENTENCES), first)
    again = CachedText(encoder, folder=tmp_path)  # from the disk
    same(again(SENTENCES), first)
    assert calls == []
    part = again([SENTENCES[2], "something new", SENTENCES[2]])
    assert calls == ["something new"]
    assert (part.tokens[0] == part.tokens[2]).all()
    assert part.tokens.shape[1] == int(part.mask.sum(1).max())
    assert not first.tokens.requires_grad
    assert not any(p.requires_grad for p in encoder.parameters())


def test_stored_at_full_precision_whatever_the_caller_computes_in(encoder, tmp_path):
    exact = CachedText(encoder, folder=tmp_path / "a")(SENTENCES)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        inside = CachedText(encoder, folder=tmp_path / "b")(SENTENCES)
    same(exact, inside)


def test_small_memory_and_batches(encoder, calls, tmp_path):
    cached = CachedText(encoder, folder=tmp_path, memory=2, batch_size=3)
    texts = [f"chair number {i}" for i in range(10)]
    first = cached(texts)
    assert sorted(calls) == sorted(texts)
    same(cached(texts), first)
    assert len(calls) == 10
    assert len(cached._recent) == 2


def test_float16_takes_half_the_room_and_is_consistent(encoder, tmp_path):
    wide, narrow = CachedText(encoder, folder=tmp_path), CachedText(encoder, folder=tmp_path, dtype=torch.float16)
    exact, rough = wide(SENTENCES), narrow(SENTENCES)
    same(exact, rough, atol=5e-3)
    assert rough.tokens.dtype == torch.float32
    assert not (exact.tokens == rough.tokens).all()
    # What comes from the disk later is what was given the first time.
    same(CachedText(encoder, folder=tmp_path, dtype=torch.float16)(SENTENCES), rough)
    with pytest.raises(InputError, match="float16"):
        CachedText(encoder, folder=tmp_path, dtype=torch.bfloat16)


def test_other_weights_never_meet_old_features(folders, tmp_path):
    one = load_text_encoder(str(folders["bert"]))
    old = CachedText(one, folder=tmp_path)(SENTENCES)
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.mul_(1.1)
    new = CachedText(one, folder=tmp_path)(SENTENCES)
    assert not torch.allclose(old.tokens, new.tokens, atol=1e-3)


def test_no_texts_and_bad_texts(encoder, tmp_path):
    cached = CachedText(encoder, folder=tmp_path)
    assert cached([]).tokens.shape == (0, 0, 24)
    with pytest.raises(InputError, match="at least one word"):
        cached(["lamp", " "])
    with pytest.raises(InputError, match="list of sentences"):
        cached("lamp")


@pytest.mark.parametrize("damage", ["text", "middle", "other table", "empty"])
def test_a_damaged_file_is_begun_anew(encoder, tmp_path, damage):
    cached = CachedText(encoder, folder=tmp_path)
    expected = cached(SENTENCES)
    path = cached.store.path
    cached.store.close()
    if damage == "text":
        path.write_text("this is no database, and has never been one; " * 200)
    elif damage == "middle":
        content = bytearray(path.read_bytes())
        content[100:] = os.urandom(len(content) - 100)
        path.write_bytes(content)
    elif damage == "other table":
        path.unlink()
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE features (wrong TEXT)")
            connection.execute("PRAGMA user_version=1")
        connection.close()
    else:
        path.write_bytes(b"")
    fresh = CachedText(encoder, folder=tmp_path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        same(fresh(SENTENCES), expected, atol=1e-5)
    assert bool(said) == (damage != "empty")
    assert all("begun anew" in str(w.message) for w in said)
    fresh.store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM features").fetchone() == (4,)
    connection.close()


def test_damage_while_in_use(encoder, tmp_path):
    cached = CachedText(encoder, folder=tmp_path, memory=0)
    expected = cached(SENTENCES)
    cached.store.close()
    for file in tmp_path.glob("*.sqlite*"):
        file.write_bytes(os.urandom(8192))
    with pytest.warns(UserWarning, match="begun anew"):
        same(cached(SENTENCES), expected, atol=1e-5)
    same(cached(SENTENCES), expected, atol=1e-5)


def test_a_place_that_cannot_be_written_to_means_memory(encoder, calls, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should be")
    cached = CachedText(encoder, folder=blocked)
    with pytest.warns(UserWarning, match=r"memory only.*SAYMASK_CACHE"):
        first = cached(SENTENCES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(cached(SENTENCES), first)
    assert len(calls) == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_means_memory(encoder, tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.warns(UserWarning, match="memory only"):
            CachedText(encoder, folder=tmp_path)(SENTENCES)
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_a_read_only_database_means_memory(encoder, tmp_path, monkeypatch):
    """A database opened read-only stands for a read-only disk, which root would not notice."""
    cached = CachedText(encoder, folder=tmp_path)
    cached(SENTENCES)
    cached.store.close()
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda path, **options: connect(f"file:{path}?mode=ro", uri=True, **options)
    )
    other = CachedText(encoder, folder=tmp_path)
    with pytest.warns(UserWarning, match="memory only"):
        other(["a text that is new"])
    assert len(other(["a text that is new"])) == 1


def test_a_newer_layout_is_left_alone(encoder, tmp_path):
    path = tmp_path / "text-features.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    before = path.read_bytes()
    with pytest.warns(UserWarning, match="layout 99"):
        CachedText(encoder, folder=tmp_path)(SENTENCES)
    assert path.read_bytes() == before


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SAYMASK_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("SAYMASK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "saymask"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "saymask"


def test_pickles(encoder, tmp_path):
    cached = CachedText(encoder, folder=tmp_path)
    expected = cached(SENTENCES)
    same(pickle.loads(pickle.dumps(cached))(SENTENCES), expected)


def row(i: int):
    return (i, "float32", bytes([i % 256]) * 2000, b"s", b"o")


def key(i: int) -> bytes:
    return i.to_bytes(4, "big")


def _worker(path, number, barrier, results):
    """Write and read overlapping rows; report the first thing that is wrong."""
    warnings.simplefilter("error")
    try:
        store = FeatureStore(path)
        barrier.wait(30)
        for i in range(60):
            k = (i * 7 + number * 13) % 80
            if key(k) not in store.get([key(k)]):
                store.put({key(k): row(k)})
            assert store.get([key(k)])[key(k)] == row(k)
        assert store.usable
        results.put("ok")
    except BaseException as error:
        results.put(repr(error))


def gather(workers: list, results) -> list:
    """Return a result of every process; fail as soon as one ended without any, and after two minutes."""
    found, patience = [], time.monotonic() + 120
    while len(found) < len(workers):
        dead = [worker.exitcode for worker in workers if worker.exitcode]
        try:
            found.append(results.get(timeout=1))
        except queue.Empty:
            assert not dead, f"processes ended with {dead}"
            assert time.monotonic() < patience, "no process says anything"
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    return found


def test_a_killed_process_is_told_and_leaves_a_whole_file(tmp_path):
    """The one that holds the lock is killed in the middle of a transaction: the others go on."""
    path = tmp_path / "shared.sqlite"
    context = multiprocessing.get_context("fork")
    results = context.Queue()

    def die():
        store = FeatureStore(path)
        store.put({key(i): row(i) for i in range(5)})
        connection = store._connection()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM features")
        os.kill(os.getpid(), signal.SIGKILL)

    worker = context.Process(target=die)
    worker.start()
    with pytest.raises(AssertionError, match="-9"):
        gather([worker], results)
    store = FeatureStore(path)
    assert len(store.get([key(i) for i in range(5)])) == 5
    store.put({key(9): row(9)})
    assert store.usable
    assert len(store.get([key(9)])) == 1


def run_workers(path) -> list[str]:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.Queue()
    workers = [context.Process(target=_worker, args=(path, n, barrier, results)) for n in range(4)]
    for worker in workers:
        worker.start()
    return gather(workers, results)


def test_several_processes_share_one_file(tmp_path):
    path = tmp_path / "shared.sqlite"
    assert run_workers(path) == ["ok"] * 4
    store = FeatureStore(path)
    assert store.get([key(i) for i in range(80)]) == {key(i): row(i) for i in range(80)}


def test_forked_processes_do_not_use_their_parents_connection(tmp_path):
    path = tmp_path / "shared.sqlite"
    store = FeatureStore(path)
    store.put({key(i): row(i) for i in range(10)})
    context = multiprocessing.get_context("fork")
    results = context.Queue()

    def child():
        before = store._local.state[0]
        store.put({key(99): row(99)})
        results.put((before != os.getpid(), store._local.state[0] == os.getpid(), len(store.get([key(99), key(3)]))))

    worker = context.Process(target=child)
    worker.start()
    assert gather([worker], results) == [(True, True, 2)]
    store.put({key(100): row(100)})
    assert len(store.get([key(99), key(100)])) == 2


def _repairer(path, barrier, results):
    warnings.simplefilter("ignore")
    try:
        store = FeatureStore(path)
        barrier.wait(30)
        for i in range(20):
            store.put({key(i): row(i)})
        results.put(len(store.get([key(i) for i in range(20)])))
    except BaseException as error:
        results.put(repr(error))


def test_several_processes_meet_a_damaged_file(tmp_path):
    path = tmp_path / "shared.sqlite"
    path.write_bytes(os.urandom(20_000))
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.Queue()
    workers = [context.Process(target=_repairer, args=(path, barrier, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    assert gather(workers, results) == [20] * 4
    assert len(FeatureStore(path).get([key(i) for i in range(20)])) == 20


def test_many_keys_at_once(tmp_path):
    store = FeatureStore(tmp_path / "many.sqlite")
    store.put({key(i): row(i) for i in range(1200)})
    assert len(store.get(key(i) for i in range(2000))) == 1200


def test_frozen_text_is_made_once_and_follows_its_encoder(encoder, folders, monkeypatch, tmp_path):
    monkeypatch.setenv("SAYMASK_CACHE", str(tmp_path))
    text = FrozenText()
    cached = text.on("cpu", encoder)
    assert text.on("cpu", encoder) is cached
    other = load_text_encoder(str(folders["bert"]))
    assert text.on("cpu", other).encoder is other
    named = FrozenText(str(folders["bert"]))
    assert named.on("cpu") is named.on("cpu")
    same(named.on("cpu")(SENTENCES), cached(SENTENCES))
    assert pickle.loads(pickle.dumps(named)).on("cpu").fingerprint == cached.fingerprint
