"""``verify`` and the Python player take a sound bundle, and refuse every other by the name of what is wrong with it."""

import hashlib
import json
import os
import shutil
import stat
import sys
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from test_players import run

import run_mimic
from mimic.exporting.bundle_reader import MAX_FILES, BundleError, parse, read_bundle
from mimic.exporting.verify import verify
from tests.exporting import bundles


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return bundles.write(tmp_path_factory.mktemp("sound"), bundles.cartwheel())


@pytest.fixture
def bundle(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "bundle")


def reseal(bundle, name, data):
    """Put other bytes under a name and the right hash into the manifest, as an attacker would."""
    (bundle / name).write_bytes(data)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def change(bundle, name, edit):
    """Edit a JSON file, with the hash made right again."""
    part = json.loads((bundle / name).read_text())
    edit(part)
    reseal(bundle, name, json.dumps(part).encode())


def change_byte(bundle, name):
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)


def set_version(bundle, version):
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps({**manifest, "schema_version": version}))


def test_a_sound_bundle_passes_as_folder_and_as_zip(bundle, tmp_path, capsys):
    assert run_mimic.main(["verify", str(bundle), "--json", str(tmp_path / "v.json")]) == 0
    said = capsys.readouterr().out
    assert "policy.onnx action" in said and "onnxruntime" in said and "COMMERCIAL USE UNCLEAR" in said
    report = json.loads((tmp_path / "v.json").read_text())
    assert report["ok"] and max(report["errors"].values()) <= 1e-5 and len(report["errors"]) == 5
    archive = shutil.make_archive(str(tmp_path / "b"), "zip", bundle)
    assert run_mimic.main(["verify", archive]) == 0


def test_every_kind_of_controller_passes(files, tmp_path):
    verdict = verify(bundles.write(tmp_path / "b", files))
    assert max(verdict.errors.values()) <= 1e-5


def test_numpy_verifies_if_no_runtime_is_installed(bundle, monkeypatch):
    missing = {"onnxruntime"}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in missing else object())
    verdict = verify(bundle)
    assert verdict.runtime.startswith("numpy (onnx") and max(verdict.errors.values()) <= 1e-5
    missing.add("onnx")
    verdict = verify(bundle)
    assert verdict.runtime.startswith("numpy, plain weights only") and list(verdict.errors) == ["weights.bin action"]


@pytest.mark.parametrize("name", sorted(bundles.NAMES))
def test_one_changed_byte_or_a_missing_file_is_refused_by_name(sound, bundle, name):
    change_byte(bundle, name)
    with pytest.raises(BundleError, match=rf"{name} is damaged \(its sha256"):
        read_bundle(bundle)
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} is missing"):
        read_bundle(bundle)


def test_the_command_refuses_in_one_line_with_exit_code_2_and_says_so_in_json(bundle, tmp_path, capsys):
    change_byte(bundle, "policy.onnx")
    assert run_mimic.main(["verify", str(bundle), "--json", str(tmp_path / "v.json")]) == 2
    error = capsys.readouterr().err
    assert "policy.onnx is damaged" in error and error.count("\n") == 1
    assert json.loads((tmp_path / "v.json").read_text())["error"] in error
    set_version(bundle, 3)
    assert run_mimic.main(["verify", str(bundle)]) == 2
    assert "schema version 3, but this program reads 1 and 2" in capsys.readouterr().err
    assert run_mimic.main(["verify", str(tmp_path / "none")]) == 2
    assert "no such file" in capsys.readouterr().err
    (tmp_path / "text").write_text("text")
    assert run_mimic.main(["verify", str(tmp_path / "text")]) == 2
    assert "neither a folder nor a zip file" in capsys.readouterr().err


def play(bundle, *words):
    """The bundle's own player, in a Python that can import nothing of ours."""
    return run(sys.executable, "-I", bundle / "players" / "play.py", bundle, *words)


def test_the_player_follows_the_recording_and_refuses_the_same_bundles(bundle):
    done = play(bundle)
    assert done.returncode == 0 and "OK" in done.stdout, done.stdout + done.stderr
    assert float(done.stdout.split("rollout ")[1].split()[0]) <= 1e-3
    for spoil, part in (
        (lambda: change_byte(bundle, "weights.bin"), "weights.bin: damaged"),
        (lambda: (bundle / "weights.bin").unlink(), "weights.bin: missing"),
        (lambda: set_version(bundle, 7), "schema version 7, but this player reads 1"),
        (lambda: (bundle / "manifest.json").write_text("{"), "manifest.json: missing or damaged"),
    ):
        spoil()
        done = play(bundle)
        assert done.returncode == 2 and f"refused: {'' if ':' in part else 'manifest.json: '}{part}" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_player_notices_a_controller_that_moves_otherwise(bundle):
    def weaken(control):
        control["joints"][3]["kp"] *= 1.02

    change(bundle, "control.json", weaken)
    done = play(bundle)
    assert done.returncode == 1 and "OFF" in done.stdout


def test_the_player_imports_nothing_of_ours_and_keeps_to_its_size(bundle):
    text = (bundle / "players" / "play.py").read_text()
    imported = {
        line.split()[1].split(".")[0] for line in text.splitlines() if line.strip().startswith(("import ", "from "))
    }
    assert imported <= {*sys.stdlib_module_names, "mujoco", "numpy", "onnxruntime"}
    assert text.count("\n") <= 210


@pytest.mark.parametrize(
    ("name", "edit", "complaint"),
    [
        ("control.json", lambda p: p.update(schema_version=3), "control.json: schema version 3"),
        ("control.json", lambda p: p.update(substeps=-4), "control.json: substeps"),
        ("control.json", lambda p: p["action"]["scale"].append(1.0), "action is not as long as the skeleton"),
        ("skeleton.json", lambda p: p["joints"][0].update(qpos=99999), "a joint lies outside qpos"),
        ("skeleton.json", lambda p: p["bodies"][2].update(parent=14), "parent or joint does not exist"),
        ("observation.json", lambda p: p["fields"][1].update(length=9), "fields do not tile the observation"),
        ("weights.json", lambda p: p["tensors"]["bias.0"].update(offset=2**29), "lies outside the binary file"),
        ("weights.json", lambda p: p["tensors"]["bias.0"].update(shape=[100000, 100000]), "outside the binary file"),
        ("weights.json", lambda p: p["tensors"].pop("weight.1"), "weight.1"),
        (
            "weights.json",
            lambda p: p.update(layers=2),
            r"the network must take 194 numbers \(observation\) and give \d+ ",
        ),
        ("reference.json", lambda p: p["table"].update(rows=7), "reference table must have 7 rows"),
        ("testvectors.json", lambda p: p["states"][0]["qpos"].pop(), "a row does not fit the skeleton"),
        ("testvectors.json", lambda p: p["states"][0]["action"].__setitem__(0, 9.0), "from the recorded vectors"),
        ("conventions.json", lambda p: p["engines"].pop("unity"), "'unity' is a required property"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused_though_the_hashes_are_right(bundle, name, edit, complaint):
    change(bundle, name, edit)
    with pytest.raises(BundleError, match=complaint):
        verify(bundle)


def network(*nodes, **options):
    obs = helper.make_tensor_value_info("obs", TensorProto.FLOAT, [1, 194])
    action = helper.make_tensor_value_info("action", TensorProto.FLOAT, [1, 194])
    graph = helper.make_graph(list(nodes), "evil", [obs], [action], **options)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)


def test_a_network_of_other_operators_never_reaches_a_runtime(bundle):
    odd = network(helper.make_node("Erf", ["obs"], ["action"]))
    for data, complaint in (
        (odd.SerializeToString(), "operator 'Erf' is not allowed"),
        (b"not a network", "policy.onnx: not a network that can be loaded"),
        (b"", "policy.onnx: not a network"),
    ):
        reseal(bundle, "policy.onnx", data)
        with pytest.raises(BundleError, match=complaint):
            verify(bundle)


def test_a_network_may_not_read_other_files(bundle, tmp_path):
    elsewhere = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[194], data_location=1)
    entry = elsewhere.external_data.add()
    entry.key, entry.value = "location", "../../../etc/passwd"
    model = network(helper.make_node("Add", ["obs", "w"], ["action"]), initializer=[elsewhere])
    reseal(bundle, "policy.onnx", model.SerializeToString())
    with pytest.raises(BundleError, match=r"policy\.onnx: "):
        verify(bundle)


def test_nan_in_the_weights_is_refused(bundle):
    data = bytearray((bundle / "weights.bin").read_bytes())
    data[4000:4004] = b"\xff\xff\xff\x7f"
    reseal(bundle, "weights.bin", bytes(data))
    with pytest.raises(BundleError, match=r"weights\.bin: holds a value that is NaN or infinite"):
        verify(bundle)


def test_numbers_too_large_to_compute_with_are_refused_without_a_murmur(bundle, capsys):
    data = bytearray((bundle / "weights.bin").read_bytes())
    data[8000:40000] = np.full(8000, 3e38, "<f4").tobytes()
    reseal(bundle, "weights.bin", bytes(data))
    assert run_mimic.main(["verify", str(bundle)]) == 2
    error = capsys.readouterr().err
    assert "from the recorded vectors" in error and error.count("\n") == 1
    change(bundle, "testvectors.json", lambda vectors: vectors["states"][0]["qpos"].__setitem__(2, 1e300))
    assert run_mimic.main(["verify", str(bundle)]) == 2


def test_names_that_leave_the_bundle_are_refused(bundle, tmp_path):
    (tmp_path / "outside.txt").write_text("secret")
    manifest = json.loads((bundle / "manifest.json").read_text())
    for name in (
        "../outside.txt",
        "/etc/passwd",
        "a/../../outside.txt",
        "C:\\x",
        "players//play.py",
        "",
        ".hidden",
        "a\n",
    ):
        files = {**manifest["files"], name: {"size": 6, "sha256": hashlib.sha256(b"secret").hexdigest()}}
        (bundle / "manifest.json").write_text(json.dumps({**manifest, "files": files}))
        with pytest.raises(BundleError, match="is not a valid file name"):
            read_bundle(bundle)
        assert play(bundle).returncode == 2


def test_files_that_godot_and_unity_write_beside_others_are_no_fault(bundle):
    for name in (".import/character.glb-1.md5", ".godot/cache.bin", "character.glb.import", "players/check.gd.uid"):
        (bundle / name).parent.mkdir(exist_ok=True)
        (bundle / name).write_text("x")
    (bundle / "players.meta").write_text("guid: 1")
    files = read_bundle(bundle)
    assert not any(name.endswith((".meta", ".import", ".uid", ".md5", ".bin.meta")) for name in files)
    assert ".godot/cache.bin" not in files
    (bundle / "import").mkdir()
    (bundle / "import" / "meta").write_text("x")
    with pytest.raises(BundleError, match="'import/meta' is not in the manifest"):
        read_bundle(bundle)


def test_links_pipes_and_strangers_are_refused(bundle, tmp_path):
    (bundle / "stranger").write_text("?")
    with pytest.raises(BundleError, match="'stranger' is not in the manifest"):
        read_bundle(bundle)
    (bundle / "stranger").unlink()
    real = (bundle / "control.json").rename(tmp_path / "control.json")
    (bundle / "control.json").symlink_to(real)
    with pytest.raises(BundleError, match=r"'control\.json' is a link or a device"):
        read_bundle(bundle)
    done = play(bundle)
    assert done.returncode == 2 and "control.json" in done.stderr
    (bundle / "control.json").unlink()
    os.mkfifo(bundle / "control.json")
    with pytest.raises(BundleError, match="is a link or a device"):
        read_bundle(bundle)


def test_a_pipe_or_a_device_in_place_of_a_bundle_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo.zip")
    (tmp_path / "zero.zip").symlink_to("/dev/zero")
    for name in ("fifo.zip", "zero.zip"):
        with pytest.raises(BundleError, match="not a regular file"):
            read_bundle(tmp_path / name)


def zipped(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, data in entries:
            archive.writestr(entry, data)
    return path


def test_zip_files_that_lie_are_refused(sound, tmp_path):
    files = [
        (path.relative_to(sound).as_posix(), path.read_bytes()) for path in sorted(sound.rglob("*")) if path.is_file()
    ]
    link = zipfile.ZipInfo("evil")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped(tmp_path / "twice.zip", [*files, files[0]])
    cases = {
        twice: "the same file twice",
        zipped(tmp_path / "slip.zip", [*files, ("../evil", b"x")]): r"'../evil' is not a valid file name",
        zipped(tmp_path / "abs.zip", [*files, ("/etc/evil", b"x")]): "is not a valid file name",
        zipped(tmp_path / "link.zip", [*files, (link, b"/etc/passwd")]): "evil is a link",
        zipped(tmp_path / "more.zip", [*files, ("more", b"x")]): "'more' is not in the manifest",
        zipped(tmp_path / "many.zip", [(f"f{i}", b"") for i in range(MAX_FILES + 1)]): f"more than {MAX_FILES} files",
        zipped(tmp_path / "bare.zip", [("x", b"")]): "has no manifest.json",
    }
    for path, complaint in cases.items():
        with pytest.raises(BundleError, match=complaint):
            read_bundle(path)


def test_a_zip_bomb_is_read_no_further_than_the_manifest_allows(sound, tmp_path):
    files = {path.relative_to(sound).as_posix(): path.read_bytes() for path in sound.rglob("*") if path.is_file()}
    files["control.json"] = bytes(50_000_000)
    with pytest.raises(BundleError, match=r"control\.json is not \d+ bytes long"):
        read_bundle(zipped(tmp_path / "bomb.zip", files.items()))
    files["manifest.json"] = b" " * 5_000_000 + files["manifest.json"]
    with pytest.raises(BundleError, match=r"manifest\.json is larger than"):
        read_bundle(zipped(tmp_path / "bomb2.zip", files.items()))


def test_sizes_beyond_all_measure_are_refused_unread(bundle):
    manifest = json.loads((bundle / "manifest.json").read_text())
    for size in (10**12, -1, 1.5, True, "9", None):
        manifest["files"]["policy.onnx"]["size"] = size
        (bundle / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(BundleError, match=r"must give sha256 and size \(0 to 128000000 bytes\) of policy\.onnx"):
            read_bundle(bundle)


@pytest.mark.parametrize(
    "text",
    ["NaN", "[1e999]", "[-Infinity]", '{"a": 1, "a": 2}', "[" * 100_000, "1" * 5000, "{", "", "\xff", "[1,]"],
)
def test_json_beyond_the_standard_is_refused(text):
    with pytest.raises(BundleError, match=r"x\.json: "):
        parse(text.encode("latin-1"), "x.json")


def test_a_manifest_that_is_no_manifest_is_refused(bundle):
    for text in (
        "[]",
        "3",
        "{}",
        '{"schema_version": 1}',
        '{"schema_version": true, "files": {}}',
        '{"schema_version": 1, "files": [1]}',
    ):
        (bundle / "manifest.json").write_text(text)
        with pytest.raises(BundleError):
            read_bundle(bundle)
        assert play(bundle).returncode == 2


def test_a_network_that_would_fill_the_memory_is_refused_before_it_runs(bundle):
    """Small constants, one of ten million numbers by another: the shapes are added up before anything is computed."""
    column, row = (helper.make_tensor(name, TensorProto.FLOAT, [2, 1], [1, 1]) for name in ("c", "r"))
    nodes, left, right = [], "c", "r"
    for index in range(24):
        nodes.append(helper.make_node("Concat", [left, left], [f"l{index}"], axis=0))
        nodes.append(helper.make_node("Concat", [right, right], [f"r{index}"], axis=0))
        left, right = f"l{index}", f"r{index}"
    nodes.append(helper.make_node("Transpose", [right], ["t"]))
    nodes.append(helper.make_node("MatMul", [left, "t"], ["big"]))
    nodes.append(helper.make_node("Identity", ["obs"], ["action"]))
    model = network(*nodes, initializer=[column, row])
    reseal(bundle, "policy.onnx", model.SerializeToString())
    with pytest.raises(BundleError, match=r"policy\.onnx: .* numbers at once"):
        verify(bundle)
