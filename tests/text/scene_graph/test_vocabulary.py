import json

import pytest

from saymask.errors import InputError
from saymask.text.scene_graph.vocabulary import Vocabulary, load_vocabulary, raw_categories, union_sha256

WORDS = Vocabulary(frozenset({"chair", "coffee table"}), frozenset({"vanity"}), frozenset({"living room", "kitchen"}))
OFFICIAL = {
    "rio_names": ["armchair", "chair"],
    "object_names_extra": ["vanity"],
    "scene_nouns": ["kitchen"],
    "scannet_raw_category_excluded": ["wood"],
}
TABLE = 'id\traw_category\tcategory\n1\tchair\tchair\n2\twood\twood\n3\tdesk "a"\tdesk\n4\t\tnothing\n'


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("lemma", "is_object", "is_scene"),
    [
        ("chair", True, False),
        ("coffee table", True, False),
        ("table", False, False),
        ("red chair", False, False),  # class names count whole,
        ("bath vanity", True, False),  # object and scene nouns by their last word too
        ("tiny kitchen", False, True),
        ("room", False, False),
        ("", False, False),
    ],
)
def test_look_up(lemma, is_object, is_scene):
    assert WORDS.is_object(lemma) is is_object
    assert WORDS.is_scene(lemma) is is_scene


def test_vocabularies_are_values():
    same = Vocabulary(frozenset({"coffee table", "chair"}), WORDS.object_nouns, WORDS.scene_nouns)
    assert same == WORDS
    assert hash(same) == hash(WORDS)
    assert same.fingerprint == WORDS.fingerprint
    assert Vocabulary(WORDS.object_nouns, WORDS.objects, WORDS.scene_nouns).fingerprint != WORDS.fingerprint


def test_load_our_layout(write):
    lists = {"objects": ["chair"], "object_nouns": [], "scene_nouns": ["kitchen"]}
    assert load_vocabulary(write("a.json", lists)) == Vocabulary(
        frozenset({"chair"}), frozenset(), frozenset({"kitchen"})
    )


def test_load_official_layout(write):
    table = write("labels.tsv", TABLE)
    names = {"armchair", "chair", 'desk "a"'}
    assert raw_categories(table) == {"chair", "wood", 'desk "a"'}
    promised = {**OFFICIAL, "union_count": len(names), "union_sha256": union_sha256(names)}
    vocabulary = load_vocabulary(write("a.json", promised), table)
    assert vocabulary == Vocabulary(frozenset(names), frozenset({"vanity"}), frozenset({"kitchen"}))
    assert load_vocabulary(write("b.json", OFFICIAL), str(table)) == vocabulary
    for key, wrong in (("union_count", 4), ("union_sha256", "0" * 64)):
        with pytest.raises(InputError, match="got 3; use the ScanNet v2 table"):
            load_vocabulary(write("c.json", {**promised, key: wrong}), table)


def test_union_sum_is_over_sorted_lines():
    import hashlib

    assert union_sha256(["b", "a c"]) == hashlib.sha256(b"a c\nb").hexdigest()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected JSON, line 1"),
        ("[1]", "expected an object of noun lists, got list"),
        ({}, "'rio_names' is NoneType"),
        ({"objects": ["chair"], "object_nouns": []}, "'scene_nouns' is NoneType"),
        ({"objects": ["chair", 3], "object_nouns": [], "scene_nouns": []}, "'objects' is list"),
        (OFFICIAL, "pass labels=scannetv2-labels.combined.tsv"),
    ],
)
def test_bad_files(write, content, message):
    with pytest.raises(InputError, match=message):
        load_vocabulary(write("bad.json", content))


def test_bad_tables(write, tmp_path):
    nouns = write("a.json", OFFICIAL)
    with pytest.raises(InputError, match="no such file"):
        load_vocabulary(nouns, tmp_path / "none.tsv")
    with pytest.raises(InputError, match="no such file"):
        load_vocabulary(tmp_path / "none.json")
    with pytest.raises(InputError, match="column raw_category"):
        load_vocabulary(nouns, write("other.tsv", "id\tname\n1\tchair\n"))
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="expected UTF-8"):
        load_vocabulary(binary)
    with pytest.raises(InputError, match="expected UTF-8"):
        raw_categories(binary)
