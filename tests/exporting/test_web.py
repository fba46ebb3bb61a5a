"""The web page's folder, and its physics and policy against Python's, without a browser."""

import hashlib
import json
import re

import numpy as np
import pytest
import torch

from mimic.core.errors import InputError
from mimic.exporting.qpos_layout import to_mujoco
from mimic.exporting.web import export_web, web_files
from mimic.runs.controller import Controller, load_controller
from tests.exporting import bundles
from tests.exporting.reading import node
from tests.kinematic_engine import config
from tests.motion_samples import clip_or_skip
from tests.sources import ROOT

TOLERANCE = 1e-3  # in any coordinate of qpos [m, rad, quaternion], over two seconds; docs/export.md states it
VENDOR = ROOT / "mimic" / "exporting" / "vendor"


def python_rollout(controller: Controller, seconds: float) -> np.ndarray:
    """(T, nq) qpos after every control step from the start of the clip, until the episode ends."""
    env = controller.make_env(1, threads=1)
    obs = env.reset(torch.zeros(1, dtype=torch.float64))
    rows = [to_mujoco(env.engine.read(), env.character)[0]]
    with torch.no_grad():
        for _ in range(round(seconds / env.control_dt)):
            step = env.step(controller.policy.mean(obs))
            obs = step.obs
            if int(step.end[0]):
                break
            rows.append(to_mujoco(env.sim, env.character)[0])
    return torch.cat(rows).numpy()


def drift(found: list[list[float]], expected: np.ndarray) -> float:
    """Largest difference of two rollouts, as far as both go."""
    steps = min(len(found), len(expected))
    assert steps > 10, "too short to say anything"
    return float(np.abs(np.array(found[:steps]) - expected[:steps]).max())


def test_the_rollout_of_the_shipped_skill_is_pythons(tmp_path):
    clip_or_skip("cartwheel")
    controller = load_controller("cartwheel")
    export_web([controller], tmp_path / "web")
    found = json.loads(node("web_rollout.mjs", tmp_path / "web", "cartwheel", 2.0))
    expected = python_rollout(controller, 2.0)
    assert len(found["rows"]) == len(expected) == 61
    assert drift(found["rows"], expected) < TOLERANCE


@pytest.mark.parametrize("character", ["humanoid", "dog"])
def test_the_rollout_of_any_character_is_pythons(character, tmp_path):
    """With forgiving rules, so that an untrained figure is compared while it falls."""
    forgiving = config("termination.contact_height=-9.0")
    controller = bundles.untrained(tmp_path, character, forgiving, name="turn", turn=0.8, duration=0.7)
    export_web([controller], tmp_path / "web")
    found = json.loads(node("web_rollout.mjs", tmp_path / "web", "turn", 0.8))
    assert drift(found["rows"], python_rollout(controller, 0.8)) < TOLERANCE


def test_vendored_files_are_those_that_were_built():
    manifest = json.loads((VENDOR / "vendor.json").read_text())
    assert {path.name for path in VENDOR.iterdir()} == {*manifest["files"], "vendor.json"}
    for name, said in manifest["files"].items():
        data = (VENDOR / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (said["bytes"], said["sha256"]), name
    pinned = json.loads((ROOT / "web" / "package.json").read_text())["devDependencies"]
    assert {name: package["version"] for name, package in manifest["packages"].items()}.items() <= pinned.items()


def test_the_page_names_no_other_place(tmp_path):
    controller = bundles.untrained(tmp_path, "humanoid")
    files = web_files([controller])
    for name in ("index.html", "live.js", "skill.js", "hand.js", "stage.js", "style.css"):
        text = files[name].decode()
        assert not re.search(r"(https?:)?//[\w-]+\.[a-z]", text), name
        for part in re.findall(r'(?:src|href)="([^"]+)"|: "\./([^"]+)"', text):
            wanted = "".join(part)
            assert wanted in files or wanted.startswith("data:"), f"{name} asks for {wanted}"
    assert set(json.loads(files["manifest.json"])["files"]) == set(files) - {"manifest.json"}
    assert json.loads(files["skills.json"])["skills"][0]["character"] == "humanoid"
    assert web_files([controller]) == files, "the same bytes every time"


def test_an_earlier_page_is_replaced_and_nothing_else_is(tmp_path):
    controller = bundles.untrained(tmp_path, "humanoid")
    out = tmp_path / "web"
    export_web([controller], out)
    export_web([controller], out)
    (out / "mine.txt").write_text("x")
    with pytest.raises(InputError, match=r"contains other files, such as mine\.txt"):
        export_web([controller], out)


def test_two_skills_of_one_clip_are_numbered_and_odd_names_are_made_addresses(tmp_path):
    controller = bundles.untrained(tmp_path, "humanoid", name="who? me")
    entries = json.loads(web_files([controller, controller])["skills.json"])["skills"]
    assert [entry["folder"] for entry in entries] == ["skills/who__me", "skills/who__me-2"]
