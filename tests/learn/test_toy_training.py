"""AWR and PPO learn the toy task."""

import pytest

from mimic.learn.logging import read_rows
from mimic.learn.rollout import RolloutConfig


@pytest.mark.parametrize(
    "algorithm, learner, iterations",
    [
        ("ppo", {}, 1),
        ("awr", {}, 4),
        ("awr", {"control_variate": True}, 4),
        ("awr", {"weight_mode": "rwr"}, 2),
        (
            "awr",
            {
                "optimizer": "sgd",
                "actor_lr": 3e-3,
                "critic_lr": 0.1,
                "actor_steps": 12,
                "critic_steps": 12,
                "target_kl": 0.0,
            },
            4,
        ),
    ],
)
def test_learns(make_trainer, algorithm, learner, iterations):
    rollout = RolloutConfig(steps=16, replay_iterations=iterations, std_start=0.3, std_end=0.3)
    trainer = make_trainer(
        algorithm,
        learner={"target_kl": 0.05, "actor_lr": 1e-3, **learner},
        rollout=rollout,
        samples=40_000,
        evaluate_every=10_000,
    )
    trainer.train()
    rows = [r for r in read_rows(trainer.out / "metrics.jsonl") if "eval/normalized_return" in r]
    print([(r["samples"], round(r["eval/normalized_return"], 3), round(r["eval/survival"], 2)) for r in rows])
    print({k: round(v, 4) if v is not None else v for k, v in rows[-1].items()})
