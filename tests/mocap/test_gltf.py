"""glTF: every way to store keys and every interpolation gives the motion the standard says."""

import base64
import json

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from mimic.core.errors import ClipError
from mocap.conventions import ReadOptions
from mocap.formats import read_clip
from mocap.formats.gltf import gltf_takes, read_gltf
from tests.mocap.archives import Gltf, walking_gltf
from tests.mocap.real_files import real_file

RAW = ReadOptions(unit="m", up="z", forward="x")
HALF = 2**-0.5


def read(gltf: Gltf, options: ReadOptions = RAW):
    return read_gltf(gltf.text(), "clip", options)


def spinning(values: object, method: str, code: str = "<f4", times: object = (0.0, 1.0), **more: object):
    """The spine turned by keys of any form, seen at 30 frames a second: (T, 4) wxyz."""
    gltf = Gltf()
    gltf.animate("turn", (2, "rotation", gltf.accessor(times), gltf.accessor(values, code, **more), method))
    return read(gltf, ReadOptions(unit="m", up="z", forward="x", fps=30.0)).quat[:, 1]


def about_y(degrees: float) -> list[float]:
    return Rotation.from_euler("y", degrees, degrees=True).as_quat(scalar_first=False).tolist()


def angle(quat: torch.Tensor) -> float:
    """Turn about y [degrees] of a (4,) quaternion."""
    return float(Rotation.from_quat(quat.tolist(), scalar_first=True).as_euler("yxz", degrees=True)[0])


def test_bones_below_a_scaled_armature():
    motion = read(walking_gltf())
    assert motion.skeleton.names == ("Hips", "Spine") and motion.skeleton.parents == (-1, 0)
    assert motion.fps == pytest.approx(30) and motion.num_frames == 3
    pos = motion.positions_w()
    assert torch.allclose(pos[:, 0], torch.tensor([[0, 1, 0], [0, 1, 0.1], [0, 1, 0.2]], dtype=torch.float64))
    assert torch.allclose(pos[:, 1] - pos[:, 0], torch.tensor([0, 0.2, 0], dtype=torch.float64).expand(3, 3))
    assert torch.allclose(motion.skeleton.rest_positions()[1], torch.tensor([0, 1.2, 0], dtype=torch.float64))
    assert angle(motion.quat[1, 1]) == pytest.approx(90)
    assert torch.equal(read_gltf(walking_gltf().binary(), "clip", RAW).quat, motion.quat)


def test_y_is_up_by_the_standard():
    reading = read(walking_gltf(), ReadOptions()).conventions
    assert reading.up[:2] == ("y", "file") and reading.forward.value == "z"


def test_linear_turns_evenly_on_the_shorter_way():
    quat = spinning([about_y(0), [-v for v in about_y(90)]], "LINEAR")
    assert len(quat) == 31 and [round(angle(q)) for q in quat[::10]] == [0, 30, 60, 90]


def test_step_holds_the_key():
    quat = spinning([about_y(0), about_y(90), about_y(20)], "STEP", times=(0.0, 0.5, 1.0))
    assert [round(angle(q)) for q in quat[[0, 14, 15, 29, 30]]] == [0, 0, 90, 90, 20]


def test_cubicspline_follows_hermite_with_tangents_a_second():
    zero = [0.0] * 4
    slope = [0.0, 0.4, 0.0, 0.0]
    keys = [zero, about_y(0), slope, [0.0, -0.2, 0, 0], about_y(60), zero]
    quat = spinning(keys, "CUBICSPLINE", times=(0.0, 2.0))
    u, span = 0.5, 2.0
    p0, p1, m0, m1 = (np.array(v) for v in (about_y(0), about_y(60), slope, [0.0, -0.2, 0, 0]))
    value = (2 * u**3 - 3 * u**2 + 1) * p0 + (u**3 - 2 * u**2 + u) * span * m0
    value = value + (3 * u**2 - 2 * u**3) * p1 + (u**3 - u**2) * span * m1
    value /= np.linalg.norm(value)
    assert quat[30].tolist() == pytest.approx(value[[3, 0, 1, 2]].tolist(), abs=1e-6)
    assert angle(quat[-1]) == pytest.approx(60, abs=1e-4)


@pytest.mark.parametrize(("code", "most"), [("i1", 127), ("u1", 255), ("<i2", 32767), ("<u2", 65535)])
def test_normalised_integers(code, most):
    keys = np.array([[0, 0, 0, 1], [0, HALF, 0, HALF]])
    quat = spinning((keys * most).round(), "LINEAR", code, normalized=True)
    assert angle(quat[-1]) == pytest.approx(90, abs=0.5)


def test_interleaved_and_sparse_accessors():
    gltf = Gltf()
    times = gltf.accessor([0.0, 1.0, 2.0])
    rows = np.zeros((3, 6), "<f4")
    rows[:, 1], rows[:, 4] = [1, 2, 3], 9
    view = gltf.view(rows.tobytes(), byteStride=24)
    moved = gltf.accessor(np.zeros((3, 3)), bufferView=view)
    indices, values = gltf.view(np.array([1], "u1").tobytes()), gltf.view(np.array([[5, 6, 7]], "<f4").tobytes())
    sparse = {
        "count": 1,
        "indices": {"bufferView": indices, "componentType": 5121},
        "values": {"bufferView": values},
    }
    scattered = gltf.accessor(np.zeros((3, 3)), sparse=sparse)
    gltf.animate("m", (1, "translation", times, moved, "STEP"), (2, "translation", times, scattered, "STEP"))
    motion = read(gltf)
    assert motion.pos[::30, 0].tolist() == [[0, 0.01, 0], [0, 0.02, 0], [0, 0.03, 0]]
    assert torch.allclose(motion.pos[30, 1], torch.tensor([0.05, 0.06, 0.07], dtype=torch.float64))
    assert motion.pos[0, 1].tolist() == [0, 0, 0]


def test_scales_move_the_bones_below():
    gltf = Gltf()
    scaled = gltf.accessor([[1, 1, 1], [2, 3, 2]])
    gltf.animate("grow", (1, "scale", gltf.accessor([0.0, 1.0]), scaled, "LINEAR"))
    assert read(gltf).pos[-1, 1].tolist() == pytest.approx([0, 0.6, 0])


def test_every_sampler_has_its_own_times():
    gltf = Gltf()
    moved = gltf.accessor([[0, 0, 0], [0, 0, 100]])
    turns = gltf.accessor([about_y(0), about_y(90), about_y(0)])
    early, late = gltf.accessor([0.0, 1.0]), gltf.accessor([0.0, 0.5, 2.0])
    gltf.animate("m", (1, "translation", early, moved, "LINEAR"), (2, "rotation", late, turns, "LINEAR"))
    motion = read(gltf)
    assert motion.duration == pytest.approx(2) and motion.pos[-1, 0].tolist() == pytest.approx([0, 0, 1])
    assert motion.pos[15, 0, 2] == pytest.approx(0.5) and angle(motion.quat[15, 1]) == pytest.approx(90, abs=1e-3)
    assert angle(motion.quat[-1, 1]) == pytest.approx(0, abs=1e-3)


def test_a_node_s_matrix_is_taken_apart():
    gltf = walking_gltf()
    turn = Rotation.from_euler("xyz", [30, 40, 50], degrees=True)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn.as_matrix() * 0.01, [1, 2, 3]
    gltf.document["nodes"][0] = {"name": "Armature", "children": [1], "matrix": matrix.T.reshape(-1).tolist()}
    expected = np.array([1, 2, 3]) + turn.apply([0, 1, 0])
    assert read(gltf).positions_w()[0, 0].tolist() == pytest.approx(expected.tolist())
    matrix[:3, 0] *= -1
    gltf.document["nodes"][0]["matrix"] = matrix.T.reshape(-1).tolist()
    with pytest.raises(ClipError, match="flat, mirrored or skewed"):
        read(gltf)


def test_takes_are_chosen_by_name():
    gltf = walking_gltf()
    gltf.animate("stand", (2, "rotation", gltf.accessor([0.0, 1.0]), gltf.accessor([about_y(0)] * 2), "LINEAR"))
    assert "took 'walk' of 2 animations: walk, stand" in read(gltf).conventions.warnings[0]
    assert read(gltf, ReadOptions(take="stand")).duration == pytest.approx(1)
    with pytest.raises(ClipError, match="no animation 'wlk'; did you mean 'walk'"):
        read(gltf, ReadOptions(take="wlk"))


def test_names_missing_or_twice():
    gltf = walking_gltf()
    gltf.document["nodes"][1].pop("name")
    gltf.document["nodes"][2]["name"] = "Armature"
    assert read(gltf).skeleton.names == ("node1", "Armature#2")


def test_keys_of_any_time_start_the_clip_and_sparse_ones_are_resampled():
    gltf = Gltf()
    gltf.animate("late", (2, "rotation", gltf.accessor([5.0, 7.0]), gltf.accessor([about_y(0), about_y(40)]), "LINEAR"))
    motion = read(gltf)
    assert (motion.num_frames, motion.fps) == (61, pytest.approx(30)) and motion.conventions.fps.by == "guess"
    assert angle(motion.quat[30, 1]) == pytest.approx(20, abs=1e-4)


def test_buffers_beside_the_file(tmp_path):
    gltf = walking_gltf()
    document = json.loads(gltf.text())
    (tmp_path / "walk.bin").write_bytes(base64.b64decode(document["buffers"][0]["uri"].split(",")[1]))
    document["buffers"][0]["uri"] = "walk.bin"
    (tmp_path / "walk.gltf").write_text(json.dumps(document))
    assert torch.equal(read_clip(tmp_path / "walk.gltf", RAW).quat, read(gltf).quat)
    for uri in ("../walk.bin", "/etc/passwd", "https://example.org/walk.bin", "", ".."):
        document["buffers"][0]["uri"] = uri
        (tmp_path / "walk.gltf").write_text(json.dumps(document))
        with pytest.raises(ClipError, match=r"only files in the same folder are read|not a regular file"):
            read_clip(tmp_path / "walk.gltf", RAW)


def changed(change) -> bytes:
    gltf = walking_gltf()
    change(gltf.document)
    return gltf.text()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda d: d["bufferViews"][0].update(extensions={"EXT_meshopt_compression": {}}), "compressed with meshopt"),
        (lambda d: d.update(animations=[]), "a skeleton of 2 bones, but no animation"),
        (lambda d: d.update(animations=[], skins=[]), "3 nodes and no skeleton, but no animation"),
        (lambda d: d["animations"][0]["channels"][0]["target"].update(path="weights"), "took|moves"),
        (lambda d: [c["target"].update(path="weights") for c in d["animations"][0]["channels"]], "morph targets"),
        (lambda d: d["animations"][0]["samplers"][0].update(interpolation="BEZIER"), "valid: CUBICSPLINE"),
        (lambda d: d["animations"][0]["samplers"][0].update(output=2), "is 'VEC4', expected VEC3"),
        (lambda d: d["animations"][0]["samplers"][0].update(output=99), "99.0 is not the index of one of 3 accessors"),
        (lambda d: d["animations"][0]["samplers"][0].update(input=1), "'VEC3', expected SCALAR"),
        (lambda d: d["accessors"][1].update(count=2), "3 keys with 2 values"),
        (lambda d: d["accessors"][1].update(count=200), "reaches beyond its buffer"),
        (lambda d: d["accessors"][1].update(count=2**39), "more than 12000000 numbers"),
        (lambda d: d["accessors"][1].update(componentType=5124), "componentType 5124.0 is not one of"),
        (lambda d: d["bufferViews"][0].update(byteLength=2**39), "reaches beyond its buffer"),
        (lambda d: d["nodes"][2].update(children=[0]), "has a cycle"),
        (lambda d: d["nodes"][0].update(children=[1, 1]), "node 1 has two parents"),
        (lambda d: d["nodes"][0].update(scale=[1, 2]), "scale is a list, expected 3 numbers"),
        (lambda d: d["nodes"][0].update(rotation=[0, 0, 0, 0]), "must be a unit quaternion"),
        (lambda d: d.update(asset={"version": "1.0"}), "glTF version '1.0'"),
        (lambda d: d.pop("asset"), "it has no 'asset'"),
        (lambda d: d.update(nodes={}), "'nodes' is not a list of objects"),
    ],
)
def test_broken_files(change, complaint):
    if complaint == "took|moves":  # one channel that is not a bone's is passed over
        assert read_gltf(changed(change), "clip", RAW).num_frames == 3
        return
    with pytest.raises(ClipError, match=complaint):
        read_gltf(changed(change), "clip", RAW)


def test_broken_containers():
    good = walking_gltf().binary()
    for data, complaint in (
        (good[:15], "is cut short"),
        (good[:-8], "GLB version 2"),
        (good[:4] + b"\x01" + good[5:], "GLB version 1"),
        (b"glTF" + good[4:8] + (12).to_bytes(4, "little") + good[12:], "has no JSON chunk"),
    ):
        with pytest.raises(ClipError, match=complaint):
            read_gltf(data, "clip")


def test_a_converted_take_is_where_its_bvh_is():
    glb = read_clip(real_file("gltf/human_cmu_02_02_linear.glb"))
    bvh = read_clip(real_file("bvh/cmu_02_02.bvh"))
    order = [glb.skeleton.index(name) for name in bvh.skeleton.names]
    metres = 5.6444444  # the armature's 0.01 makes hundredths of CMU's unit
    assert (glb.positions_w()[:, order] * metres - bvh.positions_w()[::4]).norm(dim=-1).max() < 1e-3


def test_the_fox_stands_on_the_ground_and_looks_ahead():
    fox = read_clip(real_file("gltf/Fox.glb"), ReadOptions(take="Walk"))
    pos = fox.positions_w()
    assert abs(float(pos[..., 2].min())) < 0.05
    nose, tail = (fox.skeleton.index(name) for name in ("b_Head_05", "b_Tail03_014"))
    assert (pos[:, nose] - pos[:, tail])[:, 0].min() > 0.3


@pytest.mark.parametrize("extension", ["KHR_draco_mesh_compression", "EXT_meshopt_compression"])
def test_a_compressed_mesh_does_no_harm(extension):
    data = changed(lambda d: d.update(extensionsRequired=[extension]))
    plain, compressed = read_gltf(changed(lambda d: None), "a"), read_gltf(data, "a")
    assert torch.equal(plain.positions_w(), compressed.positions_w())


def test_takes_are_named_without_their_armature():
    data = changed(lambda d: d["animations"][0].update(name="Rig|Walk"))
    assert gltf_takes(data, "a") == ("Walk",)
    assert read_gltf(data, "a", ReadOptions(take="Walk")).num_frames == read_gltf(data, "a").num_frames
