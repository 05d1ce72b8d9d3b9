"""Tiny folders in the layouts of the published programs, made of `tests.data.fake_scannet`."""

import json
import pickle
from pathlib import Path

import numpy as np
import torch

from saymask.geometry.superpoints import mesh_superpoints
from saymask.io.ply import read_ply, write_ply
from saymask.io.scannet import RawScan, read_scan_folder
from saymask.labels.tables import LABEL_TABLE, scannet20
from tests.data.fake_scannet import make_fake_scannet

SPLITS = ("train", "val")
PATHS = ("pts_semantic_mask_path", "pts_instance_mask_path", "super_pts_path")


def less_folder(root: Path) -> Path:
    """Seed 000: data/scannet/scans with data/scannet/meta_data, and data/scanrefer beside."""
    make_fake_scannet(root / "data/scannet", train=3, val=1)
    (root / "data/scannet/meta_data").mkdir()
    (root / "data/scanrefer").mkdir()
    move(root / "data/scannet" / LABEL_TABLE, root / "data/scannet/meta_data" / LABEL_TABLE)
    for split in SPLITS:
        name = f"ScanRefer_filtered_{split}.json"
        move(root / "data/scannet" / name, root / "data/scanrefer" / name)
        move(root / f"data/scannet/splits/{split}.txt", root / f"data/scannet/meta_data/scannetv2_{split}.txt")
        (root / f"data/scannet/multi3drefer_{split}.json").unlink()
    return root / "data"


def bqnet_folder(root: Path) -> Path:
    """Seed 001: scannetv2/{train,val} flat with labels.ply and _refer.pth, no label table; new names of sentences."""
    make_fake_scannet(root / "made", train=2, val=1)
    for folder in ("scanrefer", "multi3drefer", "scannetv2/train", "scannetv2/val"):
        (root / folder).mkdir(parents=True)
    for split in SPLITS:
        move(root / f"made/ScanRefer_filtered_{split}.json", root / f"scanrefer/ScanRefer_{split}_new.json")
        move(root / f"made/multi3drefer_{split}.json", root / f"multi3drefer/multi3drefer_{split}.json")
        for name in (root / f"made/splits/{split}.txt").read_text().split():
            raw = read_scan_folder(root / "made/scans" / name)
            flat = root / "scannetv2" / split
            for path in sorted((root / "made/scans" / name).iterdir()):
                move(path, flat / path.name)
            labels = {axis: raw.scan.points[:, i] for i, axis in enumerate("xyz")}
            write_ply(
                flat / f"{name}_vh_clean_2.labels.ply", labels | {"label": raw.scan.labels["nyu40"].astype("<u2")}
            )
            torch.save(refer_item(raw), flat / f"{name}_refer.pth")
    return root


def refer_item(raw: RawScan) -> tuple[np.ndarray, ...]:
    """Return the content of a `_refer.pth` file."""
    points, labels = raw.scan.points.astype(np.float64), raw.scan.labels
    semantic = np.where(labels["semantic20"] < 0, -100, labels["semantic20"]).astype(np.float64)
    superpoints = mesh_superpoints(raw.scan.points, raw.scan.faces)
    colors = raw.scan.colors / 127.5 - 1
    return points - points.mean(0), colors, superpoints.astype(np.int64), semantic, labels["instance"].astype(np.int64)


def lground_folder(root: Path) -> Path:
    """Seed 002: train/<scan>.ply (train and val), train.txt, val.txt and feature_data/."""
    make_fake_scannet(root / "made", train=3, val=1)
    (root / "train").mkdir()
    (root / "feature_data").mkdir()
    for split in SPLITS:
        names = (root / f"made/splits/{split}.txt").read_text().split()
        (root / f"{split}.txt").write_text("".join(f"train/{name}.ply\n" for name in names))
        for name in names:
            raw = read_scan_folder(root / "made/scans" / name)
            columns = {axis: raw.scan.points[:, i] for i, axis in enumerate("xyz")}
            columns |= {color: raw.scan.colors[:, i] for i, color in enumerate(("red", "green", "blue"))}
            ids = np.array([1, 3, 2, 4, 6, 9, 18, 27, 7, 56])  # as in the table of `fake_scannet`
            known = dict(zip(("wall", "floor", "chair", "table", "couch", "desk", "bookshelf", "refrigerator",
                              "cabinet", "trash can"), ids.tolist(), strict=True))  # fmt: skip
            instance = raw.scan.labels["instance"]
            label = np.zeros(len(instance), "<u4")
            for i, category in raw.objects.items():
                label[instance == i] = known[category]
            columns |= {"label": label, "instance_id": np.maximum(instance, 0).astype("<u4")}
            write_ply(root / f"train/{name}.ply", columns)
    weights = {int(i): 1.0 for i in ids}
    (root / "feature_data/scannet200_category_weights.pkl").write_bytes(pickle.dumps(weights))
    remove(root / "made")
    return root


def uniseg3d_folder(root: Path) -> Path:
    """Seed 004: points/, instance_mask/, semantic_mask/, super_points/ and uniseg3d_infos_{train,val}.pkl."""
    make_fake_scannet(root / "made", train=2, val=1)
    for folder in ("points", "instance_mask", "semantic_mask", "super_points"):
        (root / folder).mkdir()
    for split in SPLITS:
        said = json.loads((root / f"made/ScanRefer_filtered_{split}.json").read_text())
        entries = []
        for name in (root / f"made/splits/{split}.txt").read_text().split():
            raw = read_scan_folder(root / "made/scans" / name)
            scan, labels = raw.scan, raw.scan.labels
            superpoints = mesh_superpoints(scan.points, scan.faces).astype(np.int64)
            instance = labels["instance"].astype(np.int64) + 1
            for folder, values in (
                ("points", np.concatenate([scan.points, scan.colors], 1).astype(np.float32)),
                ("instance_mask", instance),
                ("semantic_mask", labels["nyu40"].astype(np.int64)),
                ("super_points", superpoints),
            ):
                (root / folder / f"{name}.bin").write_bytes(values.tobytes())
            entry = dict.fromkeys(PATHS, f"{name}.bin")
            entry |= {"lidar_points": {"num_pts_feats": 6, "lidar_path": f"{name}.bin"}, "text_info": texts(said, raw)}
            if split == "train":
                masks = torch.zeros(3, int(superpoints.max()) + 1, dtype=torch.bool)
                masks[0, :6], masks[1, 3:9] = True, True  # they overlap, and the third is empty
                entry["sam3d_pseudo_sp_masks"] = masks
            entries.append(entry)
        content = {"metainfo": {"dataset": "scannet", "info_version": "1.1"}, "data_list": entries}
        (root / f"uniseg3d_infos_{split}.pkl").write_bytes(pickle.dumps(content))
    remove(root / "made")
    return root


def texts(said: list[dict], raw: RawScan) -> dict[str, dict]:
    """Return the text_info of a scan: the sentences about things of ScanNet20."""
    things = [c.nyu40id for c in scannet20()][2:]
    about: dict[str, dict] = {}
    for entry in said:
        points = np.flatnonzero(raw.scan.labels["instance"] == int(entry["object_id"]))
        kind = int(raw.scan.labels["nyu40"][points[0]]) if entry["scene_id"] == raw.scan.name else 0
        if kind in things:
            item = {"text": [], "text_token": [], "label_id": things.index(kind), "pts_id": points}
            item = about.setdefault(entry["object_id"], item)
            item["text"].append(entry["description"])
            item["text_token"].append(np.zeros(77, np.int64))
    return about


def move(old: Path, new: Path) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    old.rename(new)


def remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def lground_instances_folder(root: Path) -> Path:
    """Seed 002's instance segmentation: a flat folder of <scan>.pth, with the lists of the splits."""
    lground_folder(root / "semantic")
    (root / "splits").mkdir()
    for split in SPLITS:
        names = [Path(line).stem for line in (root / f"semantic/{split}.txt").read_text().split()]
        (root / f"splits/scannetv2_{split}.txt").write_text("\n".join(names) + "\n")
        for name in names:
            cloud = read_ply(root / f"semantic/train/{name}.ply")
            ids, objects = (cloud.columns[column].astype(np.int64) for column in ("label", "instance_id"))
            running = np.where(ids > 0, objects + 1, 0)
            parts = (cloud.points.astype(np.float64), cloud.colors.astype(np.float64), ids, running)
            torch.save(parts, root / f"{name}.pth")
    remove(root / "semantic")
    return root


def less_preprocessed_folder(root: Path) -> Path:
    """Seed 000 after its preprocessing: data/scannet/scannet_data/*.npy, without the scans; sentences beside."""
    less_folder(root)
    folder = root / "data/scannet/scannet_data"
    folder.mkdir()
    for path in sorted((root / "data/scannet/scans").iterdir()):
        raw = read_scan_folder(path)
        scan, labels = raw.scan, raw.scan.labels
        moved = np.c_[scan.points, np.ones(len(scan))] @ scan.alignment.T
        rows = np.concatenate([moved[:, :3], scan.colors, np.zeros((len(scan), 3))], axis=1).astype(np.float32)
        np.save(folder / f"{path.name}_aligned_vert.npy", rows)
        np.save(folder / f"{path.name}_sem_label.npy", labels["nyu40"].astype(np.uint32))
        np.save(folder / f"{path.name}_ins_label.npy", (labels["instance"] + 1).astype(np.uint32))
    remove(root / "data/scannet/scans")
    return root / "data"
