import numpy as np
import pytest

from saymask.errors import InputError
from saymask.labels.tables import (
    class18,
    packaged_label_table,
    packaged_split,
    read_label_table,
    scannet20,
    scannet200,
)
from tests.data.fake_scannet import write_table


def test_class_lists():
    assert [c.index for c in scannet20()] == list(range(20))
    assert [c.index for c in scannet200()] == list(range(200))
    assert [c.name for c in scannet20() if c.stuff] == ["wall", "floor"]
    assert [c.name for c in scannet200() if c.stuff] == ["wall", "floor"]
    counts = {s: sum(c.split == s for c in scannet200()) for s in ("head", "common", "tail")}
    assert counts == {"head": 66, "common": 68, "tail": 66}
    assert [c.nyu40id for c in scannet20()] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39]


def test_class18():
    assert class18("office_chair") == class18("office chair") == 2
    assert class18("mini_fridge") == class18("cooler") == class18("refrigerator") == 12
    assert class18("nothing we know") == 17


def test_18_classes_agree_with_the_nyu40_ids_of_the_200():
    ids = {c.nyu40id: i for i, c in enumerate(c for c in scannet20() if not c.stuff and c.nyu40id != 39)}
    for c in scannet200():
        assert class18(c.name) == ids.get(c.nyu40id, 17), c.name


def test_splits():
    train, val, test = (packaged_split(s) for s in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (1201, 312, 100)
    assert len({*train, *val, *test}) == 1613


def test_both_spellings_of_refrigerator(tmp_path):
    write_table(tmp_path / "t.tsv")
    assert "refridgerator" in (tmp_path / "t.tsv").read_text()
    assert read_label_table(tmp_path / "t.tsv").rows["refrigerator"].nyu40class == "refrigerator"


def test_first_row_of_a_category_counts(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("id\traw_category\tnyu40id\tnyu40class\n2\tchair\t5\tchair\n99\tchair\t6\tsofa\n")
    assert read_label_table(path).rows["chair"].id == 2


def test_lookups_give_minus_one_outside_the_lists():
    table = packaged_label_table()
    np.testing.assert_array_equal(table.semantic20(np.array([0, 1, 5, 13, 39, 40], np.uint8)), [-1, 0, 4, -1, 19, -1])
    np.testing.assert_array_equal(table.semantic200(np.array([0, 1, 2, 5, 3000])), [-1, 0, 1, 4, -1])
    assert table.semantic20(np.zeros(0, np.uint8)).shape == (0,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id\traw_category\n1\tchair\n", "nyu40class"),
        (b"id\traw_category\tnyu40id\tnyu40class\nx\tchair\t5\tchair\n", "line 2"),
        (b"id\traw_category\tnyu40id\tnyu40class\n", "got none"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"", "missing"),
    ],
)
def test_bad_table(tmp_path, content, message):
    path = tmp_path / "t.tsv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_label_table(path)
