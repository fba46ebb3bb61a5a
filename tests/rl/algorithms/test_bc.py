"""Behavioural cloning: what is held out, when it stops, and what it imitates."""

import pytest
import torch

from mimic.core.errors import InputError
from mimic.rl.algorithms.bc import held_out
from mimic.rl.collect_episodes import collect_episodes
from mimic.rl.demonstrations import fill, time_slots
from mimic.rl.heads import GaussianHead
from mimic.rl.replay import Replay
from mimic.rl.vec_env import Termination


@pytest.fixture
def cloned(make_trainer, toy_env):
    """``cloned(std, **settings)``: a fresh BC learner, the replay of a noisy linear expert, and the expert's means."""

    class Expert:
        def sample(self, obs, generator):
            mean = (0.4 * obs[:, 2:4]).clamp(-1.5, 1.5)
            return mean + 0.3 * torch.randn(mean.shape, generator=generator), mean

    def make(transitions=3000, **settings):
        env = toy_env(16, seed=5)
        episodes = collect_episodes(env, Expert(), transitions, torch.Generator().manual_seed(0))
        learner = make_trainer("bc", learner={"actor_batch": 128, "actor_passes": 2, **settings}).learner
        learner.policy.set_std(0.3)
        replay = Replay(1, time_slots(episodes, 16), 16, 6, 2)
        fill(replay, episodes, GaussianHead(2))
        learner.observe(replay, replay.slots())
        return learner, replay

    return make


def _miss(learner, replay):
    obs = replay.obs[replay.valid]
    return float((learner.policy.mean(obs) - replay.params[replay.valid]).square().mean().detach())


@pytest.mark.parametrize("labels", ["mean", "action"])
def test_the_expert_is_cloned(cloned, labels):
    learner, replay = cloned(labels=labels)
    before = _miss(learner, replay)
    for _ in range(15):
        metrics = learner.update(replay)
    assert _miss(learner, replay) < 0.1 * before
    assert metrics["held_out_loss"] < (1.3 if labels == "action" else 0.3)


def test_whole_episodes_are_held_out_and_the_same_ones_every_time(cloned):
    _, replay = cloned()
    held, end = held_out(replay, 0.2).view(-1, 16), replay.end[replay.slots()]
    assert torch.equal(held.flatten(), held_out(replay, 0.2))
    within = (end[:-1] == int(Termination.NONE)) & replay.valid[replay.slots()][:-1]
    assert bool((held[1:] == held[:-1])[within].all())
    assert 0.1 < float(held[replay.valid[replay.slots()]].float().mean()) < 0.3


def test_held_out_episodes_move_nothing(cloned):
    policies = []
    for spoilt in (0.0, 50.0):
        learner, replay = cloned(transitions=600, labels="action")
        held = held_out(replay, 0.1)
        replay.action.flatten(0, 1)[replay.rows(replay.slots())[held]] += spoilt
        learner.update(replay)
        policies.append(learner.policy.state_dict())
    assert all(torch.equal(policies[0][name], policies[1][name]) for name in policies[0])


def test_training_is_finished_once_the_held_out_loss_has_not_fallen_for_so_many_updates(cloned):
    learner, replay = cloned(transitions=600, patience=2)
    learner.update(replay)
    assert not learner.finished
    learner._best[0] = -1.0
    learner.update(replay)
    assert not learner.finished
    learner.update(replay)
    assert learner.finished
    state = learner.extra_state()
    other, _ = cloned(transitions=600, patience=2)
    other.load_extra_state(state)
    assert other.finished


def test_one_episode_alone_cannot_be_held_out(cloned):
    _, replay = cloned(transitions=600)
    replay.valid.zero_()
    replay.valid[0, 0] = True
    with pytest.raises(InputError, match="the data holds one episode"):
        held_out(replay, 0.1)
