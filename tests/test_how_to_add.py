"""The promises of "How to add" (ARCHITECTURE.md): each addition is one file outside of the package."""

import json
import sys

import pytest
import torch

from mimic.core import registry
from mimic.core.errors import ConfigError, InputError
from mimic.evaluation.evaluate import evaluate
from mimic.exporting.bundle import bundle_files
from mimic.rl.algorithms import ALGORITHMS
from mimic.runs.controller import load_controller
from mimic.runs.preset import load_preset
from mimic.runs.run_config import read_run, run_of, tracking_run
from mimic.runs.task import Place
from mimic.runs.tasks import TASKS
from mimic.runs.training import StopCriteria, train
from mimic.sim import ENGINES, check_engine
from mimic.tracking.observation import FIELDS
from mimic.tracking.reward import TERMS

NAMES = ("still_engine", "upright_term", "first_joint_field", "filter_algorithm", "circle_task")
PLUGINS = tuple(f"tests.plugins.{name}" for name in NAMES)
ADDED = (
    (ENGINES, "still"),
    (TERMS, "upright"),
    (FIELDS, "first_joint_vel"),
    (ALGORITHMS, "filter"),
    (TASKS, "circle"),
)
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

CIRCLE = """
task: circle
num_envs: 4
env: {radius: 2.0}
policy: {actor_sizes: [8], critic_sizes: [8]}
algorithms: {ppo: {rollout: {steps: 4}}}
trainer: {tensorboard: false, evaluate_every: 32}
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
        assert name in kind.names() and len(kind.names()) > 1
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
    run = tracking_run("trot-authored", load_preset(str(path)), engine="still")
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


def test_an_algorithm_of_ones_own_inherits_its_settings_trains_and_resumes(plugins, tmp_path):
    settings = ("num_envs=4", "awr.rollout.steps=4", "filter.update.threshold=0.5", "policy.actor_sizes=[8]")
    preset = load_preset("fast", (*settings, "env.evaluation_s=0.2", "trainer.tensorboard=false"))
    run = tracking_run("trot-authored", preset, "filter")
    assert run.algorithm.update.threshold == 0.5 and run.algorithm.update.optimizer == "muon"
    train(run, tmp_path, StopCriteria(samples=32), threads=1)
    assert json.loads((tmp_path / "config.json").read_text())["algorithm"]["type"] == "filter"
    done = train(read_run(tmp_path), tmp_path, StopCriteria(samples=64), threads=1, resume=True)
    assert done.samples == 64 and load_controller(str(tmp_path)).spec.algorithm == "filter"


def test_a_preset_without_an_algorithm_of_ones_own_has_its_inherited_settings(plugins):
    preset = load_preset("paper")
    assert preset.algorithm("filter").update.optimizer == preset.algorithm("awr").update.optimizer == "sgd"


def test_a_task_of_ones_own_is_trained_evaluated_and_resumed(plugins, tmp_path):
    path = tmp_path / "circle.yaml"
    path.write_text(CIRCLE)
    preset = load_preset(str(path))
    run = run_of(TASKS.get("circle")(preset.env), preset, "ppo")
    assert run.task.make_env(Place(3)).num_envs == 3
    done = train(run, tmp_path / "run", StopCriteria(samples=64), threads=1)
    assert json.loads((tmp_path / "run/config.json").read_text())["task"] == {"type": "circle", "env": {"radius": 2.0}}
    assert read_run(tmp_path / "run") == run_of(
        run.task, preset, "ppo", learn_threads=read_run(tmp_path / "run").learn_threads
    )
    assert done.best is not None
    longer = StopCriteria(samples=128)
    assert train(read_run(tmp_path / "run"), tmp_path / "run", longer, threads=1, resume=True).samples == 128


def test_a_misspelt_setting_of_a_task_of_ones_own_is_refused(plugins, tmp_path):
    path = tmp_path / "circle.yaml"
    path.write_text(CIRCLE.replace("radius", "radios"))
    with pytest.raises(ConfigError, match="env: unknown key 'radios'; did you mean 'radius'"):
        load_preset(str(path))
