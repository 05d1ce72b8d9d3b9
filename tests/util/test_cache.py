"""A bounded memory: the unused go first, and nobody's value is lost or counted twice."""

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from saymask.util.cache import AnswerCache


def test_the_entry_unused_for_longest_goes_first():
    recent = AnswerCache[str](entries=2)
    recent.put("a", "A", 1)
    recent.put("b", "B", 1)
    assert recent.get("a") == "A"
    recent.put("c", "C", 1)
    assert [recent.get(key) for key in "abc"] == ["A", None, "C"]
    recent.clear()
    assert (len(recent), recent.nbytes, recent.get("a")) == (0, 0, None)


def test_the_first_value_stays():
    recent = AnswerCache[str]()
    assert recent.put("a", "first", 5) == "first"
    assert recent.put("a", "second", 7) == "first"
    assert recent.nbytes == 5


def test_what_is_larger_than_all_is_returned_and_not_kept():
    recent = AnswerCache[str](size=10)
    recent.put("a", "A", 10)
    assert recent.put("b", "B", 11) == "B"
    assert (recent.get("b"), recent.get("a")) == (None, "A")
    recent.put("c", "C", 1)
    assert (len(recent), recent.nbytes) == (1, 1)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans()), max_size=40))
def test_it_does_what_a_plain_list_does(steps):
    recent, plain = AnswerCache[int](entries=4, size=20), []
    for key, size, put in steps:
        known = next((entry for entry in plain if entry[0] == key), None)
        if put:
            assert recent.put(key, size, size) == (known or (key, size))[1]
            if known is None:
                plain.append((key, size))
                while len(plain) > 4 or sum(s for _, s in plain) > 20:
                    plain.pop(0)
        else:
            assert recent.get(key) == (known[1] if known else None)
        if known:
            plain.remove(known)
            plain.append(known)
        assert len(recent) == len(plain)
        assert recent.nbytes == sum(s for _, s in plain)


def test_many_threads():
    recent = AnswerCache[int](entries=8, size=100)

    def work(seed: int) -> None:
        for i in range(500):
            key = (i * seed) % 20
            assert recent.get(key) in (None, key)
            assert recent.put(key, key, key) == key

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(1, 9)))
    assert len(recent) <= 8
    assert recent.nbytes <= 100
