"""Every algorithm learns to follow the moving point: .28 of the reward untrained, two thirds after 15 k steps."""

import pytest

from mimic.rl.metrics_log import read_rows
from mimic.rl.rollout import RolloutConfig

PAPER = {
    "optimizer": "sgd",
    "actor_lr": 3e-3,
    "critic_lr": 0.1,
    "actor_steps": 12,
    "critic_steps": 12,
    "target_kl": 0.0,
}


@pytest.mark.parametrize(
    "algorithm, iterations, learner",
    [
        ("ppo", 1, {}),
        ("ppo", 1, {"precision": "bfloat16"}),
        ("awr", 3, {}),
        ("awr", 3, {"control_variate": True, "actor_iterations": 1}),
        ("rwr", 3, {}),
        ("pg", 1, {}),
        ("pg-exp", 1, {"scale_returns": True}),
        ("cacla", 1, {}),
        ("marwil", 3, {"target_kl": 0.05, "shrink": False, "control_variate": False}),  # as in the paper
        ("sil", 3, {}),
        ("awr", 4, PAPER),
    ],
)
def test_learns(make_trainer, algorithm, iterations, learner):
    rollout = RolloutConfig(steps=16, replay_iterations=iterations, std_start=0.3, std_end=0.3)
    trainer = make_trainer(
        algorithm,
        learner={"target_kl": 0.05, "actor_lr": 1e-3, **learner},
        rollout=rollout,
        samples=15_000,
        evaluate_every=5_000,
    )
    trainer.train()
    rows = [r for r in read_rows(trainer.out / "metrics.jsonl") if "eval/normalized_return" in r]
    assert rows[0]["eval/normalized_return"] < 0.4
    assert rows[-1]["eval/normalized_return"] > 0.65
    assert rows[-1]["eval/survival"] > 0.95
    assert rows[-1]["explained_variance"] > 0.3
