import json

import pytest
import torch

from mimic.core.errors import InputError
from mimic.runs.controller import load_controller
from mimic.runs.package_controller import package_controller
from mimic.runs.preset import load_preset
from mimic.runs.run_config import tracking_run
from mimic.runs.training import StopCriteria, train
from tests.motion_samples import clip_or_skip

SETTINGS = (
    "num_envs=4",
    "awr.rollout.steps=4",
    "policy.actor_sizes=[8]",
    "policy.critic_sizes=[8]",
    "env.evaluation_s=0.2",
    "trainer.evaluate_every=32",
    "trainer.tensorboard=false",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    clip_or_skip("walk")
    out = tmp_path_factory.mktemp("runs") / "walk-awr"
    train(tracking_run("walk", load_preset("fast", SETTINGS), seed=7), out, StopCriteria(samples=64), threads=1)
    return out


def test_a_packaged_controller_acts_as_the_best_checkpoint_and_has_its_history(run, tmp_path):
    evaluation = package_controller(run, tmp_path / "walk", episodes=2, threads=1)
    packed, best = load_controller(str(tmp_path / "walk")), load_controller(str(run))
    obs = torch.randn(5, packed.policy.obs_dim)
    assert torch.equal(packed.policy.mean(obs), best.policy.mean(obs))
    assert sorted(p.name for p in (tmp_path / "walk").iterdir()) == [
        "MANIFEST.json",
        "controller.json",
        "policy.safetensors",
    ]
    training = packed.spec.training.to_json()
    saved = json.loads((best.path / "meta.json").read_text())["counters"]
    assert training["samples"] == saved["samples"] > 0
    assert (training["seed"], training["rollout"]["steps"], training["update"]["optimizer"]) == (7, 4, "muon")
    assert packed.spec.evaluation["normalized_return"] == evaluation.to_json()["normalized_return"]
    assert packed.spec.clip_license


def test_packaging_refuses_to_overwrite_and_refuses_a_folder_that_is_no_run(run, tmp_path):
    (tmp_path / "walk").mkdir()
    with pytest.raises(InputError, match="exists already"):
        package_controller(run, tmp_path / "walk")
    with pytest.raises(InputError, match="is not the folder of a run"):
        package_controller(tmp_path, tmp_path / "other")
