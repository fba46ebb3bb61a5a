"""The promises of "How to add" (ARCHITECTURE.md): each addition is one file outside of the package."""

import json
import sys

import pytest
import torch

from mimic.core import registry
from mimic.core.errors import ConfigError, InputError
from mimic.evaluation.evaluate import evaluate
from mimic.export.bundle import bundle_files
from mimic.runs.controller import load_controller
from mimic.runs.preset import load_preset
from mimic.runs.run_config import tracking_run
from mimic.runs.training import StopCriteria, train
from mimic.sim import ENGINES, check_engine
from mimic.tracking.observation import FIELDS
from mimic.tracking.reward import TERMS

PLUGINS = ("tests.plugins.still_engine", "tests.plugins.upright_term", "tests.plugins.first_joint_field")
ADDED = ((ENGINES, "still"), (TERMS, "upright"), (FIELDS, "first_joint_vel"))
PRESET = """
base: fast
num_envs: 4
env:
  evaluation_s: 0.2
  reward: {terms: {straight: {kind: upright, weight: -0.1, tolerance: 0.01}}}
  observation: {fields: [phase_circle, root_height, joint_rot, joint_vel, target_pose, first_joint_vel]}
policy: {actor_sizes: [8], critic_sizes: [8]}
awr: {rollout: {steps: 4}}
trainer: {tensorboard: false}
"""


@pytest.fixture
def plugins(monkeypatch):
    """The plugins, named as a user names them; other tests do not see them."""
    monkeypatch.setenv(registry.VARIABLE, ",".join(PLUGINS))
    yield
    for kind, name in ADDED:
        kind._found.pop(name, None)
    for name in PLUGINS:
        sys.modules.pop(name, None)
        registry._imported_plugins.discard(name)


def test_plugins_are_listed_with_what_ships_and_gone_without_the_variable(plugins, monkeypatch):
    for kind, name in ADDED:
        assert name in kind.names() and len(kind.names()) > 3
    assert set(ENGINES.names()) == {"bullet", "mujoco", "still", "warp"}


def test_an_engine_of_ones_own_is_asked_where_it_runs(plugins):
    check_engine("still", "cpu")
    with pytest.raises(InputError, match="the still engine runs on the CPU only"):
        check_engine("still", "cuda")
    with pytest.raises(InputError, match="no engine 'stil'; did you mean 'still'"):
        check_engine("stil", "cpu")


def test_a_run_with_an_engine_a_reward_term_and_a_field_of_ones_own_trains_and_is_evaluated(plugins, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(PRESET)
    run = tracking_run("trot-authored", load_preset(str(path)), "awr", engine="still")
    train(run, tmp_path / "run", StopCriteria(samples=32), threads=1)
    written = json.loads((tmp_path / "run/config.json").read_text())
    assert written["engine"] == {"type": "still"}
    assert written["task"]["env"]["reward"]["terms"]["straight"] == {
        "kind": "upright",
        "weight": -0.1,
        "tolerance": 0.01,
    }

    controller = load_controller(str(tmp_path / "run"))
    env = controller.make_env(2, threads=1, engine="still")
    assert env.observation.layout["first_joint_vel"] == slice(env.obs_dim - 3, env.obs_dim)
    report = evaluate(env, controller.policy.mean)
    assert "straight" in report.reward_terms and report.normalized_return.mean <= 1.0
    before = env.reset(torch.zeros(2, dtype=torch.float64))
    env.step(torch.zeros(2, env.act_dim))
    assert torch.equal(env.sim.joint_vel[:, :3], before[:, -3:]), "nothing moves in the still engine"

    with pytest.raises(InputError, match="observation field 'first_joint_vel' cannot be exported") as refused:
        bundle_files(controller)
    assert "\n" not in str(refused.value)


def test_a_parameter_that_a_term_of_ones_own_does_not_have_is_refused(plugins, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(PRESET.replace("tolerance", "tolerence"))
    with pytest.raises(ConfigError, match="straight: unknown key 'tolerence'; did you mean 'tolerance'"):
        load_preset(str(path))
