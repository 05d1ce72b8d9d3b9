import pytest
from hypothesis import given
from hypothesis import strategies as st

from saymask.labels.tables import scannet20, scannet200
from saymask.text.scene_graph.lexicon import Tag, lexicon, read_words
from saymask.text.scene_graph.nouns import default_vocabulary, lemma, names, singular


@pytest.mark.parametrize(
    ("plural", "base"),
    [
        ("chairs", "chair"), ("boxes", "box"), ("shelves", "shelf"), ("bookshelves", "bookshelf"), ("benches", "bench"),
        ("couches", "couch"), ("batteries", "battery"), ("mice", "mouse"), ("people", "person"), ("tvs", "tv"),
        ("knives", "knife"), ("vases", "vase"), ("cases", "case"), ("suitcases", "suitcase"), ("dishes", "dish"),
        ("glasses", "glasses"), ("stairs", "stairs"), ("blinds", "blinds"), ("headphones", "headphones"),
        ("glass", "glass"), ("bus", "bus"), ("canvas", "canvas"), ("keys", "key"), ("shoes", "shoe"), ("Desks", "desk"),
        ("mattresses", "mattress"), ("drawers", "drawer"), ("this", "this"), ("gas", "gas"), ("switches", "switch"),
    ],
)  # fmt: skip
def test_singular(plural: str, base: str):
    assert singular(plural) == base


@given(st.sampled_from(sorted(default_vocabulary().object_nouns)))
def test_a_basic_form_is_its_own_basic_form(word: str):
    assert singular(singular(word)) == singular(word)


def test_every_benchmark_class_is_an_object():
    vocabulary = default_vocabulary()
    classes = {c.name for c in (*scannet20(), *scannet200())} - {"object"}
    assert {name for name in classes if not vocabulary.is_object(lemma(name.split()))} == {"otherfurniture"}


def test_every_rooms_noun_is_an_object():
    from saymask.rooms.language.words import NOUNS

    vocabulary = default_vocabulary()
    said = {word for entry in NOUNS.values() for word in (*entry.singular, *entry.plural)}
    forms = {word: (lemma(word.split()), lemma(word.split(" of ")[-1].split())) for word in said}
    assert not {word for word, both in forms.items() if not any(vocabulary.is_object(form) for form in both)}


def test_lists_are_clean_and_apart():
    for table in ("objects", "scenes"):
        assert all(name == " ".join(name.lower().split()) and name for name in names(table))
    vocabulary = default_vocabulary()
    assert not vocabulary.object_nouns & vocabulary.scene_nouns
    assert len(vocabulary.objects) > 1000
    assert vocabulary is default_vocabulary()


@pytest.mark.parametrize("word", ["room", "kitchen", "corner", "left", "right", "side", "middle"])
def test_scene_nouns(word: str):
    assert default_vocabulary().is_scene(word)
    assert not default_vocabulary().is_object(word)


@pytest.mark.parametrize(
    ("word", "tag"),
    [
        ("stands", Tag.NOUN), ("stands", Tag.REST), ("light", Tag.ADJ), ("light", Tag.NOUN), ("chairs", Tag.NOUN),
        ("l-shaped", Tag.ADJ), ("5-drawer", Tag.ADJ), ("2", Tag.NUM), ("thereis", Tag.PRON), ("deskis", Tag.NOUN),
        ("oak-colored", Tag.ADJ), ("you'd", Tag.SPEAKER), ("isn't", Tag.NOT), ("closest", Tag.NEAR),
    ],
)  # fmt: skip
def test_tags(word: str, tag: int):
    assert lexicon().look_up(word) & tag


def test_unknown_words_have_no_tag():
    assert lexicon().look_up("flurb") == Tag.UNKNOWN


def test_words_stay_one_to_one_with_white_space():
    words = read_words('The bed. ,  (a "tv" ; it’s')
    assert [w.text for w in words] == ["the", "bed", ",", "a", "tv", ";", "it's"]
    assert [w.stop for w in words] == [False, True, False, False, False, False, False]
    assert words[2].tag == Tag.COMMA
    assert words[5].tag == Tag.STOP
