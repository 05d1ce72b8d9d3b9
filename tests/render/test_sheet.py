"""A contact sheet of pictures."""

import numpy as np
from PIL import Image

from saymask.render import sheet


def test_every_picture_has_its_place(tmp_path):
    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    files = []
    for i, color in enumerate(colors):
        Image.new("RGB", (1280, 960), color).save(tmp_path / f"{i}.png")
        files.append((tmp_path / f"{i}.png", f"scan {i} with a name that is longer than a cell is wide"))
    sheet.write_sheet(files, tmp_path / "new" / "sheet.png")
    with Image.open(tmp_path / "new" / "sheet.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    for color in colors:
        assert (pixels == color).all(1).sum() == sheet.CELL[0] * sheet.CELL[1]


def test_more_than_find_room_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(sheet, "MOST", 2)
    Image.new("RGB", (40, 30), (9, 9, 9)).save(tmp_path / "a.png")
    sheet.write_sheet([(tmp_path / "a.png", "a")] * 2, tmp_path / "all.png")
    sheet.write_sheet([(tmp_path / "a.png", "a")] * 5, tmp_path / "some.png")
    with Image.open(tmp_path / "all.png") as fits, Image.open(tmp_path / "some.png") as more:
        assert more.height > fits.height
        assert more.width == fits.width


def test_no_picture_no_sheet(tmp_path):
    sheet.write_sheet([], tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()
