"""An update of recorded gradients and steps, played by a tape of the CPU's operations (tests/fake_cuda_graph.py)."""

import pytest
import torch

from mimic.gpu import cuda_graph, update_graphs
from mimic.rl.rollout import RolloutConfig
from tests.fake_cuda_graph import FakeGraphBackend

NEVER = 1_000_000


@pytest.mark.parametrize(
    ("algorithm", "settings"),
    [
        ("awr", {"optimizer": "muon", "control_variate": True, "anchor": "current"}),
        ("awr", {"optimizer": "adam", "max_grad_norm": 0.01, "target_kl": 1e-4}),
        ("ppo", {"optimizer": "sgd", "target_kl": 1e-4}),
    ],
)
def test_an_update_that_is_recorded_learns_the_same_to_the_bit(make_trainer, monkeypatch, algorithm, settings):
    learned, tapes = [], []
    rollout = RolloutConfig(steps=8, replay_iterations=3, std_start=0.4, std_end=0.2, std_samples=2000)
    for warm_ups in (3, NEVER):
        monkeypatch.setattr(cuda_graph, "_WARM_UPS", warm_ups)
        tapes.append(FakeGraphBackend())
        monkeypatch.setattr(update_graphs, "graph_backend", lambda device, tapes=tapes[-1]: tapes)
        sizes = {"actor_batch": 100, "critic_batch": 128} | settings
        out = f"after-{warm_ups}"
        trainer = make_trainer(algorithm, out, learner=sizes, rollout=rollout, samples=8 * 32 * 12)
        step, steps = trainer.learner.actor_optimizer.step_over, []

        def poisoned(batch, loss_of, step=step, steps=steps):
            steps.append(len(steps))
            return step((*batch[:-1], batch[-1] * torch.nan) if len(steps) % 10 == 9 else batch, loss_of)

        monkeypatch.setattr(trainer.learner.actor_optimizer, "step_over", poisoned)
        trainer.train()
        assert trainer.learner.actor_optimizer.skipped == len(steps) // 10 + (len(steps) % 10 == 9) > 3
        learned.append(trainer.state.tensors())
    assert tapes[0].replays > 60 and tapes[1].replays == 0
    for group, tensors in learned[0].items():
        for name, value in tensors.items():
            assert torch.equal(value, learned[1][group][name]), (group, name)


@pytest.mark.parametrize("optimizer", ["muon", "adam", "sgd"])
def test_launched_directly_nothing_is_recorded_and_the_same_is_learned(make_trainer, monkeypatch, optimizer):
    learned, tapes = [], []
    rollout = RolloutConfig(steps=8, replay_iterations=3, std_start=0.4, std_end=0.2, std_samples=2000)
    for directly in (False, True):
        tapes.append(FakeGraphBackend())
        monkeypatch.setattr(update_graphs, "graph_backend", lambda device, tapes=tapes[-1]: tapes)
        sizes = {"actor_batch": 128, "critic_batch": 128, "optimizer": optimizer, "target_kl": 1e-4}
        trainer = make_trainer("awr", f"directly-{directly}", learner=sizes, rollout=rollout, samples=8 * 32 * 12)
        for half in (trainer.learner.actor_optimizer, trainer.learner.critic_optimizer):
            if directly:
                half.launch_directly()
        trainer.train()
        learned.append(trainer.state.tensors())
    assert tapes[0].replays > 0 and not tapes[1].tapes
    assert float(trainer.learner.actor_optimizer.lr) != 1e-4  # steered, and read by the direct step
    for name, value in learned[0]["policy"].items():
        assert torch.allclose(value, learned[1]["policy"][name], atol=1e-6), name
