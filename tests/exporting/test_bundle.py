"""A bundle as a whole: the same bytes every time, nothing in it of the machine, and written whole or not at all."""

import hashlib
import zipfile
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import run_mimic
from characters import load_character
from mimic.core.errors import InputError
from mimic.exporting.bundle import TOOLKIT_VERSION, bundle_files, export_bundle
from mimic.exporting.licence import commercial_use
from mimic.exporting.observation_schema import EXPORTED_FIELDS
from mimic.exporting.tensors import concat_tensors, split_tensors
from mimic.exporting.verify import DESCRIBED, OF_LIBRARIES, SCHEMAS, check_schema
from mimic.exporting.web import web_files
from mimic.exporting.write import write_folder
from mimic.runs.controller import load_controller
from mimic.tracking.tracking_env import preprocess_motion
from mocap.catalogue import resolve
from tests.exporting import bundles
from tests.motion_samples import clip_or_skip
from tests.test_packaging import PROJECT


def test_two_exports_are_the_same_to_the_byte(tmp_path, capsys):
    clip_or_skip("cartwheel")
    out = tmp_path / "bundle"
    assert run_mimic.main(["export", "--controller", "cartwheel", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "COMMERCIAL USE UNCLEAR" in said and f"run_mimic.py verify {out}" in said
    again = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert again.keys() == bundles.cartwheel().keys()
    assert [name for name, data in again.items() if data != bundles.cartwheel()[name]] == []


def test_a_zip_holds_the_same_files_and_the_same_bytes_every_time(tmp_path, monkeypatch):
    clip_or_skip("cartwheel")
    monkeypatch.setattr("mimic.exporting.bundle.bundle_files", lambda controller: bundles.cartwheel())
    first, _ = export_bundle(load_controller("cartwheel"), tmp_path / "a", as_zip=True)
    second, _ = export_bundle(load_controller("cartwheel"), tmp_path / "b.zip", as_zip=True)
    assert (first.name, second.name) == ("a.zip", "b.zip") and first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == bundles.cartwheel()


def test_the_manifest_names_every_file_with_size_and_hash(files):
    listed = bundles.part(files, "manifest.json")["files"]
    assert set(listed) == set(files) - {"manifest.json"}
    for name, entry in listed.items():
        assert entry == {"size": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}


def test_every_json_file_is_of_its_schema_and_the_schemas_are_strict(files):
    for name in DESCRIBED:
        part = bundles.part(files, f"{name}.json")
        check_schema(name, part)
        with pytest.raises(InputError, match=rf"{name}\.json: at the top: .*'surprise' was unexpected"):
            check_schema(name, {**part, "surprise": 1})
    assert {path.name.removesuffix(".schema.json") for path in SCHEMAS.iterdir()} == {*DESCRIBED, *OF_LIBRARIES}
    for path in SCHEMAS.iterdir():
        jsonschema.Draft202012Validator.check_schema(bundles.part({"s": path.read_bytes()}, "s"))


def test_a_bundle_holds_no_path_of_the_machine(files):
    for name, data in files.items():
        for word in (b"/work/", b"/home/", b"/root/", str(Path.cwd()).encode(), b"/tmp/"):
            assert word not in data or name.startswith(("players/", "samples/")), (name, word)


def test_the_licence_is_said_and_the_warning_with_it(files):
    manifest = bundles.part(files, "manifest.json")
    assert manifest["warning"] == manifest["licence"]["warning"] is not None
    assert manifest["licence"]["clip"]["sha256"] and manifest["licence"]["controller"]["derived_from"]
    assert manifest["warning"] in files["README.md"].decode()


@pytest.mark.parametrize(
    ("licence", "use"),
    [
        ("CC BY-NC 4.0 in substance: ...", "not allowed"),
        ("free for non-commercial research", "not allowed"),
        ("CC0: no rights reserved", "allowed"),
        ("published in an MIT repository; do not redistribute", "unclear"),
        ("not stated", "unclear"),
        ("", "unclear"),
    ],
)
def test_only_plainly_free_licences_count_as_free(licence, use):
    assert commercial_use(licence) == use


def test_the_dogs_clips_are_not_for_commercial_use():
    clip, _ = clip_or_skip("canter")
    assert commercial_use(clip.license) == "not allowed"


def test_observation_elements_tile_the_vector_and_have_names_of_their_own(files):
    observation = bundles.part(files, "observation.json")
    names = [element["name"] for element in observation["elements"]]
    assert len(set(names)) == len(names) == observation["dim"]
    assert [element["index"] for element in observation["elements"]] == list(range(observation["dim"]))
    for field in observation["fields"]:
        part = observation["elements"][field["start"] : field["start"] + field["length"]]
        assert {element["field"] for element in part} == {field["name"]}


def test_the_recorded_rollout_closes_a_cycle_and_the_controller_lives_through_it():
    vectors = bundles.part(bundles.cartwheel(), "testvectors.json")
    times = [row["clip_time"] for row in vectors["rollout"]["rows"]]
    assert vectors["rollout"]["whole"] and len(times) == 61 and len(vectors["states"]) == 64
    assert min(np.diff(times)) < 0 < max(np.diff(times))


def test_the_reference_is_the_clip_as_it_was_trained_on():
    published, character = clip_or_skip("cartwheel")
    clip = preprocess_motion(published, character, load_controller("cartwheel").env_config)
    reference = bundles.part(bundles.cartwheel(), "reference.json")
    assert reference["duration"] == clip.duration and reference["licence"] == clip.license
    table = split_tensors(reference["tensors"], bundles.cartwheel()["reference.bin"])
    np.testing.assert_allclose(table["table.root_pos"][-1, :2], clip.root_pos_w[-1, :2], atol=1e-6)
    assert table["clip.qpos"].shape == (reference["clip_frames"], 43)
    assert (table["clip.qpos"][:, 2] > 0.2).all()


def test_concatenated_tensors_are_split_again_and_an_index_cannot_point_outside():
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([7.5])}
    index, data = concat_tensors(arrays)
    for name, array in split_tensors(index, data).items():
        np.testing.assert_array_equal(array, arrays[name])
    for offset, shape in ((0, [8]), (-4, [1]), (2, [1]), (0, [2**40, 2**40]), (0, [-1])):
        with pytest.raises(ValueError, match="outside the binary"):
            split_tensors({"a": {"offset": offset, "shape": shape}}, data)


def test_an_earlier_bundle_is_replaced_and_nothing_else_is(tmp_path):
    out = tmp_path / "bundle"
    write_folder(out, {"manifest.json": b'{"files": {"a": {}, "b/c": {}}}', "a": b"1", "b/c": b"2"})
    write_folder(out, {"manifest.json": b'{"files": {"a": {}}}', "a": b"3"})
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.name != "manifest.json"} == {"a": b"3"}
    (out / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"contains other files, such as mine\.txt"):
        write_folder(out, {"manifest.json": b"{}"})
    assert (out / "mine.txt").read_text() == "mine" and not list(tmp_path.glob(".tmp*"))
    with pytest.raises(InputError, match="is a file; name a folder, or add --zip"):
        write_folder(out / "mine.txt", {})


def test_a_folder_of_something_else_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    clip_or_skip("cartwheel")
    (tmp_path / "mine.txt").write_text("mine")
    monkeypatch.setattr("mimic.exporting.bundle.bundle_files", lambda controller: pytest.fail("computed"))
    with pytest.raises(InputError, match="contains other files"):
        export_bundle(load_controller("cartwheel"), tmp_path)


def test_an_observation_field_that_no_player_computes_is_refused_in_one_line(tmp_path, monkeypatch, capsys):
    controller = bundles.untrained(tmp_path, "humanoid")
    field = controller.env_config.observation.fields[0]
    monkeypatch.delitem(EXPORTED_FIELDS, field)
    for arguments in (["--out", str(tmp_path / "bundle")], ["--web", str(tmp_path / "page")]):
        assert run_mimic.main(["export", "--controller", str(controller.path), *arguments]) == 2
        said = capsys.readouterr().err
        assert f"observation field '{field}' cannot be exported" in said and "these can be: " in said
        assert said.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"gentle.txt", "controller"}, "nothing was written"


def test_a_controller_of_several_clips_is_refused():
    with pytest.raises(InputError, match="was trained on several clips; an export holds one"):
        bundle_files(load_controller("steer"))
    with pytest.raises(InputError, match="was trained on several clips; an export holds one"):
        web_files([load_controller("steer")])


def test_a_missing_onnx_is_an_error_that_names_the_remedy(monkeypatch):
    clip_or_skip("cartwheel")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"'onnx' is missing; install it: pip install 'mimic-animation\[export\]'"):
        bundle_files(load_controller("cartwheel"))


def test_the_toolkits_version_is_the_projects():
    assert PROJECT["project"]["version"] == TOOLKIT_VERSION


def test_the_skeleton_is_the_characters_joint_by_joint(files):
    skeleton = bundles.part(files, "skeleton.json")
    character = load_character(skeleton["name"])
    assert [joint["name"] for joint in skeleton["joints"]] == [joint.name for joint in character.joints]
    assert (skeleton["nv"], skeleton["num_actuated"]) == (character.dof, character.num_actuated)
    model = character.mj_model(visual=False)
    assert skeleton["nq"] == model.nq
    assert [joint["qpos"] for joint in skeleton["joints"]] == model.jnt_qposadr[1:].tolist()
    assert [joint["qvel"] for joint in skeleton["joints"]] == model.jnt_dofadr[1:].tolist()
    assert files["character.glb"][:4] == b"glTF"


def test_the_authored_gaits_are_free():
    assert commercial_use(resolve("trot-authored").licence) == "allowed"
