import json
from types import SimpleNamespace

import pytest

from mimic.cli import run_clip as run_clip_module
from mimic.cli.run_clip import run_clip, try_to_render
from mimic.rendering import RenderError
from mimic.runs.preset import load_preset
from mimic.runs.run_config import tracking_run


@pytest.fixture
def world(tmp_path, monkeypatch):
    """``run_clip`` with fakes for training, evaluating and drawing; ``asked`` lists their calls in order."""
    monkeypatch.chdir(tmp_path)
    world = SimpleNamespace(asked=[], said=[], shipped=[], runs={}, film=None)

    def train(run, folder, limits, threads):
        world.asked.append(("train", str(folder), limits.minutes))
        return SimpleNamespace(best=None, checkpoint=folder / "ckpt" / "000000001")

    def load_controller(folder):
        return SimpleNamespace(path=folder, clip="walk")

    def evaluate(controller, setup):
        stored = {"episodes": setup.episodes, "of": str(controller.path)}
        return SimpleNamespace(to_json=lambda: stored)

    def render(controller, out, seconds, **options):
        world.asked.append(("render", str(out), seconds))
        if isinstance(world.film, Exception):
            raise world.film
        return SimpleNamespace(path=out)

    monkeypatch.setattr(run_clip_module, "train", train)
    monkeypatch.setattr(run_clip_module, "load_controller", load_controller)
    monkeypatch.setattr(run_clip_module, "find_controller", lambda name: f"found {name}")
    monkeypatch.setattr(run_clip_module, "shipped_controllers", lambda: world.shipped)
    monkeypatch.setattr(run_clip_module, "latest_run_of_clip", lambda clip, runs: world.runs.get(str(runs)))
    monkeypatch.setattr(run_clip_module, "evaluate_controller", evaluate)
    monkeypatch.setattr(run_clip_module, "render_controller", render)
    world.run = lambda **options: run_clip(
        tracking_run("walk", load_preset("fast"), "ppo"), tmp_path / "out", 3.0, 2.0, 1, world.said.append, **options
    )
    return world


def test_train_anew_trains_although_a_controller_ships(world, tmp_path):
    world.shipped, world.runs = ["walk"], {"runs": "runs/walk-awr"}
    world.run(train_anew=True)
    assert world.asked[0] == ("train", str(tmp_path / "out" / "walk-ppo"), 3.0)


def test_run_clip_trains_a_controller_for_the_given_minutes_if_there_is_none(world, tmp_path):
    report = world.run()
    assert world.asked == [
        ("train", str(tmp_path / "out" / "walk-ppo"), 3.0),
        ("render", str(tmp_path / "out" / "walk.mp4"), 2.0),
    ]
    assert any("training one for 3 minutes" in line for line in world.said), "it says what to expect"
    assert json.loads(report.evaluation_path.read_text()) == report.evaluation.to_json()
    assert report.evaluation.to_json()["episodes"] == 32
    assert (report.evaluation_path, report.video) == (
        tmp_path / "out" / "evaluation.json",
        tmp_path / "out" / "walk.mp4",
    )


def test_a_shipped_controller_comes_before_a_run_in_out_and_that_before_the_latest_run(world, tmp_path):
    world.runs = {"runs": "runs/walk-awr"}
    assert world.run().controller == "found runs/walk-awr"
    world.runs[str(tmp_path / "out")] = "out/walk-ppo"
    assert world.run().controller == "found out/walk-ppo"
    world.shipped = ["walk"]
    assert world.run().controller == "found walk"
    assert not any(what == "train" for what, *_ in world.asked)


def test_run_clip_ends_well_without_a_video_if_nothing_can_draw(world):
    world.film = RenderError("no OpenGL and no pybullet")
    report = world.run()
    assert report.video is None and report.evaluation_path.is_file()
    assert "no video: no OpenGL and no pybullet" in world.said
    assert try_to_render(None, None, 1.0, world.said.append) is None
