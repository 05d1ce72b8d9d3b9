"""glTF as exporters and packers write it: every kind of number, material and placement that the standard allows."""

import io
import json
import struct

import numpy as np
import pytest
from PIL import Image

from saymask.errors import InputError
from saymask.io.load import load_scan
from saymask.io.mesh import read_mesh

KINDS = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
NAMES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
SQUARE = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0]], np.float32)
UV = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)  # left half red, right half green below
FACES = np.array([[0, 1, 2], [0, 2, 3]])
RED, GREEN = np.array([200, 30, 30]), np.array([30, 160, 60])


class Builder:
    """Collects arrays and writes a GLB."""

    def __init__(self):
        self.data = bytearray()
        self.json = {"asset": {"version": "2.0"}, "accessors": [], "bufferViews": []}

    def view(self, data, **more):
        while len(self.data) % 4:
            self.data.append(0)
        self.json["bufferViews"].append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data), **more})
        self.data += data
        return len(self.json["bufferViews"]) - 1

    def array(self, values, normalized=False, **more):
        values = np.atleast_2d(values.T).T
        entry = {"componentType": KINDS[values.dtype.str[1:]], "count": len(values), "type": NAMES[values.shape[1]]}
        entry |= {"bufferView": self.view(values.tobytes()), **more}
        if normalized:
            entry["normalized"] = True
        self.json["accessors"].append(entry)
        return len(self.json["accessors"]) - 1

    def picture(self, pixels):
        buffer = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
        self.json.setdefault("images", []).append({"bufferView": self.view(buffer.getvalue()), "mimeType": "image/png"})
        self.json.setdefault("textures", []).append({"source": len(self.json["images"]) - 1})
        return len(self.json["textures"]) - 1

    def write(self, path, primitives, nodes=None, **more):
        self.json["meshes"] = [{"primitives": primitives}]
        self.json["nodes"] = nodes or [{"mesh": 0}]
        self.json.setdefault("scenes", [{"nodes": [0]}])
        self.json |= more
        self.json["buffers"] = [{"byteLength": len(self.data)}]
        text = json.dumps(self.json).encode()
        text += b" " * (-len(text) % 4)
        body = bytes(self.data) + b"\0" * (-len(self.data) % 4)
        head = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(body))
        path.write_bytes(
            head + struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(body), b"BIN\0") + body
        )
        return path


def halves():
    pixels = np.zeros((8, 8, 3))
    pixels[:, :4], pixels[:, 4:] = RED, GREEN
    return pixels


def textured(b, uv, normalized=False, **material):
    """One square whose left half is red and whose right half is green."""
    b.json["materials"] = [material or {"pbrMetallicRoughness": {"baseColorTexture": {"index": b.picture(halves())}}}]
    attributes = {"POSITION": b.array(SQUARE), "TEXCOORD_0": b.array(uv, normalized)}
    return {"attributes": attributes, "indices": b.array(FACES.astype(np.uint16).ravel()), "material": 0}


def check(cloud, left=RED, right=GREEN):
    x = cloud.points[:, 0]
    assert np.abs(cloud.colors[x < 0.98].astype(int) - left).max() <= 1
    assert np.abs(cloud.colors[x > 1.02].astype(int) - right).max() <= 1


@pytest.mark.parametrize("kind", ["f4", "u1", "u2"])
def test_texture_coordinates_of_every_type(tmp_path, kind):
    b = Builder()
    top = 1 if kind == "f4" else np.iinfo(kind).max
    check(read_mesh(b.write(tmp_path / "a.glb", [textured(b, (UV * top).astype(kind), kind != "f4")])))


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2"])
def test_quantized_positions_are_scaled_by_their_node(tmp_path, kind, normalized):
    b = Builder()
    primitive = textured(b, UV)
    top = np.iinfo(kind).max
    primitive["attributes"]["POSITION"] = b.array((SQUARE / 2 * top).astype(kind), normalized)
    scale = 2.0 if normalized else 2.0 / top
    node = {"mesh": 0, "scale": [scale] * 3, "translation": [0, 5, 0]}
    cloud = read_mesh(b.write(tmp_path / "a.glb", [primitive], [node], extensionsRequired=["KHR_mesh_quantization"]))
    check(cloud)
    np.testing.assert_allclose(cloud.points.min(0), [0, 5, 0], atol=0.03)
    np.testing.assert_allclose(cloud.points.max(0), [2, 6, 0], atol=0.03)


@pytest.mark.parametrize("kind", ["f4", "u1", "u2"])
@pytest.mark.parametrize("width", [3, 4])
def test_vertex_colours_times_the_base_colour(tmp_path, kind, width):
    b = Builder()
    top = 1 if kind == "f4" else np.iinfo(kind).max
    rgb = np.array([[0.8, 0.4, 0.2, 1.0]] * 4)[:, :width]
    b.json["materials"] = [{"pbrMetallicRoughness": {"baseColorFactor": [0.5, 1, 1, 1]}}]
    attributes = {"POSITION": b.array(SQUARE), "COLOR_0": b.array((rgb * top).astype(kind), kind != "f4")}
    primitive = {"attributes": attributes, "indices": b.array(FACES.astype(np.uint32).ravel()), "material": 0}
    check(read_mesh(b.write(tmp_path / "a.glb", [primitive])), [102, 102, 51], [102, 102, 51])


def test_vertex_colours_times_the_image(tmp_path):
    b = Builder()
    primitive = textured(b, UV)
    primitive["attributes"]["COLOR_0"] = b.array(np.full((4, 4), 128, np.uint8), True)
    check(read_mesh(b.write(tmp_path / "a.glb", [primitive])), RED * 128 / 255, GREEN * 128 / 255)


@pytest.mark.parametrize(
    ("moved", "uv"),
    [
        ({"offset": [0.5, 0]}, UV - [0.5, 0]),
        ({"scale": [0.5, 2]}, UV * [2, 0.5]),
        ({"rotation": np.pi / 2}, np.stack([-UV[:, 1], UV[:, 0]], 1)),
        ({"rotation": np.pi / 2, "offset": [0, 1], "scale": [0.5, 0.5]}, np.stack([2 - 2 * UV[:, 1], 2 * UV[:, 0]], 1)),
        ({"texCoord": 1}, UV),
    ],
)
def test_texture_transforms(tmp_path, moved, uv):
    b = Builder()
    info = {"index": b.picture(halves()), "extensions": {"KHR_texture_transform": moved}}
    primitive = textured(b, uv.astype(np.float32), pbrMetallicRoughness={"baseColorTexture": info})
    primitive["attributes"]["TEXCOORD_1"] = primitive["attributes"]["TEXCOORD_0"]
    if "texCoord" in moved:
        primitive["attributes"]["TEXCOORD_0"] = b.array(np.zeros((4, 2), np.float32))
    # v runs downwards, and counter-clockwise is meant as it is seen: u' = u cos + v sin, v' = v cos - u sin
    if "rotation" in moved and "offset" not in moved:
        uv = np.stack([-UV[:, 1], UV[:, 0]], 1)
    cloud = read_mesh(b.write(tmp_path / "a.glb", [primitive]))
    assert {tuple(c) for c in cloud.colors.tolist()} <= {tuple(RED), tuple(GREEN)}
    if "rotation" not in moved:
        check(cloud)
    else:
        cos, sin = np.cos(moved["rotation"]), np.sin(moved["rotation"])
        weights = cloud.points[:, [0, 1]] / [2, 1]
        at = (
            uv[0] * (1 - weights[:, :1] - weights[:, 1:]) + uv[1] * weights[:, :1] + uv[3] * weights[:, 1:]
        ) * moved.get("scale", [1, 1])
        u = (at[:, 0] * cos + at[:, 1] * sin + moved.get("offset", [0, 0])[0]) % 1
        sure = (np.abs(u - 0.5) > 0.02) & (u > 0.02) & (u < 0.98)
        np.testing.assert_array_equal(cloud.colors[sure], np.where(u[sure, None] < 0.5, RED, GREEN))


def test_specular_glossiness(tmp_path):
    b = Builder()
    shiny = {"diffuseFactor": [1, 0.5, 1, 1], "diffuseTexture": {"index": b.picture(halves())}}
    primitive = textured(b, UV, extensions={"KHR_materials_pbrSpecularGlossiness": shiny})
    check(read_mesh(b.write(tmp_path / "a.glb", [primitive])), RED * [1, 0.5, 1], GREEN * [1, 0.5, 1])


def test_point_primitives(tmp_path):
    rng = np.random.default_rng(0)
    points, rgb = rng.random((300, 3)).astype(np.float32), rng.integers(0, 256, (300, 4)).astype(np.uint8)
    b = Builder()
    attributes = {"POSITION": b.array(points), "COLOR_0": b.array(rgb, True)}
    scan = load_scan(b.write(tmp_path / "a.glb", [{"attributes": attributes, "mode": 0}]), quiet=True)
    turned = np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1)
    np.testing.assert_allclose(scan.points, turned, atol=1e-6)
    np.testing.assert_array_equal(scan.colors, rgb[:, :3])


@pytest.mark.parametrize("mode", [5, 6])
def test_strips_and_fans(tmp_path, mode):
    b = Builder()
    primitive = textured(b, UV) | {"mode": mode}
    order = [0, 1, 3, 2] if mode == 5 else [0, 1, 2, 3]
    primitive["indices"] = b.array(np.array(order, np.uint16))
    check(read_mesh(b.write(tmp_path / "a.glb", [primitive])))


def test_nodes_place_a_mesh_several_times_and_only_the_default_scene_counts(tmp_path):
    b = Builder()
    primitive = textured(b, UV)
    nodes = [
        {"children": [1, 2]},
        {"mesh": 0, "translation": [0, 3, 0], "rotation": [0, 0, 1, 0]},
        {"mesh": 0, "matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 4, 1]},
        {"mesh": 0, "translation": [100, 0, 0]},
    ]
    b.json["scenes"] = [{"nodes": [3]}, {"nodes": [0]}]
    cloud = read_mesh(b.write(tmp_path / "a.glb", [primitive], nodes, scene=1))
    np.testing.assert_allclose(cloud.points.min(0), [-2, 0, 0], atol=0.03)
    np.testing.assert_allclose(cloud.points.max(0), [2, 3, 4], atol=0.03)
    assert "2 scenes" in " ".join(cloud.messages)
    assert set(cloud.columns["part"]) == {0, 1}


def test_sparse_accessors_and_strides(tmp_path):
    b = Builder()
    primitive = textured(b, UV)
    mixed = np.zeros(4, [("p", "<f4", 3), ("pad", "<f4", 2)])
    mixed["p"] = SQUARE
    mixed["p"][2] = 0
    view = b.view(mixed.tobytes(), byteStride=20)
    sparse = {
        "count": 1,
        "indices": {"bufferView": b.view(np.array([2], np.uint8).tobytes()), "componentType": 5121},
        "values": {"bufferView": b.view(SQUARE[2].tobytes())},
    }
    b.json["accessors"].append(
        {"bufferView": view, "componentType": 5126, "count": 4, "type": "VEC3", "sparse": sparse}
    )
    primitive["attributes"]["POSITION"] = len(b.json["accessors"]) - 1
    check(read_mesh(b.write(tmp_path / "a.glb", [primitive])))


def test_what_is_compressed_is_named(tmp_path):
    b = Builder()
    primitive = textured(b, UV)
    b.json["bufferViews"][1]["extensions"] = {"EXT_meshopt_compression": {}}
    with pytest.raises(InputError, match="meshopt"):
        read_mesh(b.write(tmp_path / "a.glb", [primitive]))


@pytest.mark.parametrize("indices", [[0, 1, 9], [255, 1, 2]])
def test_indices_out_of_range(tmp_path, indices):
    b = Builder()
    primitive = textured(b, UV) | {"indices": b.array(np.array(indices, np.uint8))}
    with pytest.raises(InputError, match="indices below 4"):
        read_mesh(b.write(tmp_path / "a.glb", [primitive]))


@pytest.mark.parametrize(
    "change",
    [
        {"accessors": []}, {"accessors": [7]}, {"nodes": [{"mesh": 5}]}, {"nodes": [{"children": [0], "mesh": 0}]},
        {"bufferViews": [{"buffer": 0, "byteLength": 10**9}] * 9}, {"materials": [{"pbrMetallicRoughness": 3}, 4]},
        {"meshes": {"a": 1}}, {"scene": -1}, {"scenes": [{"nodes": "x"}]}, {"nodes": [{"mesh": 0, "scale": "big"}]},
        {"materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 99}}}]},
        {"asset": {"version": "1.0"}}, {"nodes": [{"mesh": 0, "rotation": [1]}]},
    ],
)  # fmt: skip
def test_broken_rules_are_input_errors(tmp_path, change):
    b = Builder()
    path = b.write(tmp_path / "a.glb", [textured(b, UV)])
    b.json |= change
    text = json.dumps({**b.json, "buffers": [{"uri": "a.bin", "byteLength": len(b.data)}]})
    (tmp_path / "a.bin").write_bytes(b.data)
    path.with_suffix(".gltf").write_text(text)
    if change == {"materials": [{"pbrMetallicRoughness": 3}, 4]}:
        read_mesh(path.with_suffix(".gltf"))  # nothing that it needs is broken
        return
    with pytest.raises(InputError, match=r"a\.gltf"):
        read_mesh(path.with_suffix(".gltf"))


def test_a_missing_image_beside_a_gltf_is_said(tmp_path):
    b = Builder()
    primitive = textured(b, UV)
    b.json["images"] = [{"uri": "gone%20away.png"}]
    nodes = [{"mesh": 0, "children": [1]}, {"mesh": 0, "rotation": [0.7071068, 0, 0, 0.7071068]}]
    scan = load_scan(b.write(tmp_path / "a.glb", [primitive], nodes), quiet=True, up="z")
    assert not scan.has_color
    assert "gone%20away.png" in " ".join(scan.messages)


def test_instances_on_the_graphics_card_are_copies(tmp_path):
    b = Builder()
    mesh = [{"attributes": {"POSITION": b.array(SQUARE)}, "indices": b.array(FACES.ravel().astype("u2"))}]
    half = np.sqrt(0.5)
    own = {
        "TRANSLATION": b.array(np.array([[0, 0, 0], [10, 0, 0]], np.float32)),
        "ROTATION": b.array(np.array([[0, 0, 0, 1], [0, 0, half, half]], np.float32)),  # a quarter turn about z
        "SCALE": b.array(np.array([[1, 1, 1], [2, 2, 2]], np.float32)),
    }
    node = {"mesh": 0, "extensions": {"EXT_mesh_gpu_instancing": {"attributes": own}}, "translation": [0, 0, 5]}
    points = read_mesh(b.write(tmp_path / "a.glb", mesh, [node])).points
    x, y, z = points.T
    assert set(np.round(z, 5)) == {5}
    first = x < 5
    assert (x[first].min() > -1e-6, x[first].max() < 2.001, y[first].max() < 1.001) == (True, True, True)
    assert (x[~first].min() > 7.999, x[~first].max() < 10.001, y[~first].max() > 3.9, y[~first].min() > -1e-6) == (
        True,
    ) * 4
    assert 3.7 < (~first).sum() / first.sum() < 4.3


def test_skins_and_compressed_images_are_named(tmp_path):
    b = Builder()
    b.json["images"] = [{"bufferView": b.view(b"\xabKTX 20\xbb\r\n\x1a\n" + bytes(100)), "mimeType": "image/ktx2"}]
    b.json["textures"] = [{"extensions": {"KHR_texture_basisu": {"source": 0}}}]
    material = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}
    shape = {"POSITION": b.array(SQUARE), "TEXCOORD_0": b.array(UV)}
    mesh = [{"attributes": shape, "indices": b.array(FACES.ravel().astype("u2")), "material": 0}]
    cloud = read_mesh(b.write(tmp_path / "a.glb", mesh, [{"mesh": 0, "skin": 0}], materials=[material]))
    assert cloud.colors is None
    assert "KTX2" in " ".join(cloud.messages)
    assert "skins are not applied" in " ".join(cloud.messages)
