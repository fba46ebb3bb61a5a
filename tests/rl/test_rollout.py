import pytest
import torch

from mimic.rl.optim import LearnerDiverged
from mimic.rl.policy import Policy, PolicyConfig
from mimic.rl.replay import Replay
from mimic.rl.rollout import Collector, EpisodeTracker, RolloutConfig, collect
from mimic.rl.seeds import generator
from mimic.rl.vec_env import Step, Termination


def _parts(env):
    policy = Policy(env.obs_dim, env.act_dim, PolicyConfig(actor_sizes=(8,)), generator(0, "networks"))
    policy.set_std(0.3)
    replay = Replay(2, 10, env.num_envs, env.obs_dim, env.act_dim)
    replay.next_obs.copy_(env.reset())
    return policy, replay, EpisodeTracker(env.num_envs)


def test_time_goes_on_over_iterations_and_log_probs_are_those_of_the_actions(toy_env):
    env = toy_env(8)
    policy, replay, tracker = _parts(env)
    for _ in range(3):
        collect(env, policy, replay, 10, generator(0, "explore"), tracker)
    slots = replay.slots()
    assert replay.size == 20
    torch.testing.assert_close(policy.mean(replay.obs[slots]).detach(), replay.params[slots])
    torch.testing.assert_close(policy.log_prob(replay.action[slots], replay.params[slots]), replay.log_prob[slots])
    # Where no episode ended, the phase moves on from slot to slot.
    phase = torch.atan2(replay.obs[slots][..., 5], replay.obs[slots][..., 4])
    going = replay.end[slots][:-1] == Termination.NONE
    turned = torch.remainder(phase.diff(dim=0), 2 * torch.pi)[going]
    torch.testing.assert_close(turned, torch.full_like(turned, 0.15), atol=1e-5, rtol=0)


def test_a_diverged_environment_leaves_no_trace(toy_env):
    env = toy_env(8)
    env.diverge = lambda step: [3] if step in (4, 12) else []
    policy, replay, tracker = _parts(env)
    collect(env, policy, replay, 20, generator(0, "explore"), tracker)
    assert int((~replay.valid).sum()) == 2
    assert not replay.valid[4, 3] and not replay.valid[12, 3]
    assert all(bool(t.float().isfinite().all()) for t in replay.state_dict().values())
    assert tracker.metrics()["ends/diverged"] == 2.0
    assert all(value == value for value in tracker.metrics().values())


def test_an_environment_that_hides_a_nan_is_found_out(toy_env):
    env = toy_env(8)
    policy, replay, tracker = _parts(env)
    honest = env.step

    def step(action):
        result = honest(action)
        result.reward[5] = torch.nan
        return result

    env.step = step
    with pytest.raises(ValueError, match="reward in row 5"):
        collect(env, policy, replay, 1, generator(0, "explore"), tracker)


def test_tracker_by_hand():
    tracker = EpisodeTracker(2)

    def add(rewards, ends):
        obs = torch.zeros(2, 1)
        end = torch.tensor([int(e) for e in ends], dtype=torch.int8)
        tracker.add(Step(obs, torch.tensor(rewards), end, obs, {"miss": torch.tensor(rewards)}))

    add([1.0, 2.0], [Termination.NONE, Termination.FAIL])
    add([3.0, 5.0], [Termination.TIMEOUT, Termination.NONE])
    metrics = tracker.metrics()
    assert metrics["episode_return"] == (2.0 + 4.0) / 2
    assert metrics["episode_length"] == (1 + 2) / 2
    assert metrics["reward"] == (1.5 + 4.0) / 2 == metrics["info/miss"]
    assert (metrics["ends/fail"], metrics["ends/timeout"], metrics["ends/clip_end"]) == (1.0, 1.0, 0.0)
    tracker.reset_sums()
    add([1.0, 7.0], [Termination.NONE, Termination.CLIP_END])  # the second one's episode began before the sums did
    assert tracker.metrics()["episode_return"] == 12.0
    tracker.reset_sums()
    add([torch.nan, 1.0], [Termination.DIVERGED, Termination.NONE])
    assert "episode_return" not in tracker.metrics()
    assert tracker.running[:, 0].tolist() == [0.0, 0.0]


def test_std_schedule():
    config = RolloutConfig(std_start=0.2, std_end=0.1, std_samples=1000)
    assert [config.std_at(s) for s in (0, 500, 1000, 5000)] == pytest.approx([0.2, 0.15, 0.1, 0.1])
    assert RolloutConfig(std_start=0.2, std_end=0.1).std_at(10**9) == 0.2
    mastery = RolloutConfig(std_start=0.16, std_end=0.04, std_episode_steps=300)
    assert [mastery.std_at(10**9, s) for s in (0, 150, 300, 600)] == pytest.approx([0.16, 0.08, 0.04, 0.04])
    for wrong in (
        {"steps": 0},
        {"replay_iterations": 0},
        {"std_start": 0.0},
        {"std_samples": 1, "std_episode_steps": 1},
    ):
        with pytest.raises(ValueError):
            RolloutConfig(**wrong)


def test_overlapped_learning_meets_the_experience_of_the_policy_before_it(toy_env):
    """What is collected beside an update is what the policy from before that update does in turns, to the bit."""
    env, twin = toy_env(8), toy_env(8)
    policy, replay, tracker = _parts(env)
    frozen, expected, _ = _parts(twin)
    beside = Collector(env, policy, 10)
    explore, twin_explore = generator(0, "explore"), generator(0, "explore")
    sizes = []

    def learn():
        sizes.append(replay.size)
        with torch.no_grad():
            policy.net[-1].bias += 1.0
        return "learned"

    for _ in range(3):
        frozen.load_state_dict(policy.state_dict())
        assert beside.collect(learn, policy, replay, explore, tracker) == "learned"
        collect(twin, frozen, expected, 10, twin_explore, EpisodeTracker(8))
    a, b = replay.state_dict(), expected.state_dict()
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert sizes == [0, 10, 20]


def test_an_update_that_fails_beside_a_rollout_is_not_lost(toy_env):
    env = toy_env(8)
    policy, replay, tracker = _parts(env)

    def learn():
        raise LearnerDiverged("no step was finite")

    with pytest.raises(LearnerDiverged, match="no step"):
        Collector(env, policy, 10).collect(learn, policy, replay, generator(0, "explore"), tracker)


def test_a_collector_in_turns_is_learning_after_collecting_to_the_bit(toy_env):
    env, twin = toy_env(8), toy_env(8)
    policy, replay, tracker = _parts(env)
    same_policy, expected, _ = _parts(twin)
    in_turns = Collector(env, policy, 10, overlap=False)
    explore, twin_explore = generator(0, "explore"), generator(0, "explore")
    sizes = []

    def learn():
        sizes.append(replay.size)
        with torch.no_grad():
            policy.net[-1].bias += 1.0

    for k in range(3):
        in_turns.collect(learn, policy, replay, explore, tracker)
        collect(twin, same_policy, expected, 10, twin_explore, EpisodeTracker(8))
        with torch.no_grad():
            same_policy.net[-1].bias += 1.0
        assert sizes[k] == replay.size
    a, b = replay.state_dict(), expected.state_dict()
    assert all(torch.equal(a[key], b[key]) for key in a)
