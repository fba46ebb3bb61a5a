"""Recorded functions do what plain ones do: as CUDA graphs where there is a GPU, and played by a tape (tests/fake_cuda_graph.py)."""

import pytest
import torch

from characters import load_character
from mimic.gpu.cuda_graph import GraphedCallable, graph_backend
from mimic.gpu.graphed_env import GraphedEnv, with_graphs
from mimic.sim import make_engine
from mimic.tracking import ClipRules, TrackingEnv
from tests.fake_cuda_graph import FakeGraphBackend
from tests.kinematic_engine import config, gentle_motion, make

CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"))


def backend(device):
    """CUDA graphs on a GPU, the fake ones elsewhere."""
    return graph_backend(torch.device(device)) or FakeGraphBackend()


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_a_capture_executes_nothing_until_it_is_replayed_and_a_replay_runs_no_python(device):
    total, seen = torch.zeros(3, device=device), []

    def add(x):
        seen.append(len(seen))
        total.add_(x)
        return total * len(seen)

    added = GraphedCallable(add, backend(device))
    for call in range(6):
        result = added(torch.full((3,), 2.0, device=device))
        assert torch.equal(total, torch.full_like(total, 2.0 * (call + 1)))
        assert torch.equal(result, total * min(call + 1, 4)), "what Python counts stands still in a recording"
    assert len(seen) == 4


def test_each_input_shape_has_its_capture_and_the_oldest_is_dropped_beyond_the_limit():
    tapes = FakeGraphBackend()
    doubled = GraphedCallable(lambda x: 2.0 * x, tapes)
    for size in (1, 1, 1, 2, 3, 2, 4, 5, 6, 6, 3, 2):
        assert torch.equal(doubled(torch.arange(float(size))), 2.0 * torch.arange(float(size)))
    assert tapes.replays == 9 and len(tapes.tapes) == 6, "2 was recorded twice"


@pytest.mark.parametrize("device", ["cpu", CUDA])
def test_a_function_that_cannot_be_captured_is_called_plainly_after_a_warning(device):
    total, one = torch.zeros(2, device=device), torch.ones(2, device=device)

    def peeks(x):
        total.add_(x)
        return x + float(total.sum())

    peeking = GraphedCallable(peeks, backend(device))
    for call in range(3):
        assert float(peeking(one)[0]) == 1.0 + 2.0 * (call + 1)
    with pytest.warns(UserWarning, match="peeks cannot be captured.*not permitted"):
        assert float(peeking(one)[0]) == 9.0, "what the failed recording did is undone"
    assert float(peeking(one)[0]) == 11.0


def env_of(character, device, monkeypatch) -> TrackingEnv:
    pytest.importorskip("mujoco_warp", reason="the GPU engine is an extra: pip install '.[gpu]'")
    engine = make_engine(load_character(character), 12, engine="warp", device=device)
    if device == "cuda":  # where no two simulations are the same
        monkeypatch.setattr(engine, "_run", lambda name, kernels: None)
    settings = config("pushes.speed=1", "pushes.every_s=0.2", "adaptive_starts=0.5", "time_limit.end_s=1")
    env = TrackingEnv(gentle_motion(character, turn=0.3), engine, settings, ClipRules(), seed=3)
    env.masked_reset, env.tracker.may_sync_host = True, False  # as on a GPU
    return env


def action_of(env, number) -> torch.Tensor:
    return 0.6 * torch.randn(12, env.act_dim, generator=torch.Generator().manual_seed(number)).to(env.device)


def assert_same_step(ours, theirs, number) -> None:
    for name in ("obs", "reward", "end", "final_obs"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), (number, name)
    assert all(torch.equal(value, theirs.info[name]) for name, value in ours.info.items())


@pytest.mark.warp
@pytest.mark.parametrize("device", ["cpu", CUDA])
@pytest.mark.parametrize("character", ["humanoid", "dog"])
def test_an_environment_with_graphs_does_the_same_to_the_bit(character, device, monkeypatch):
    plain, inner = (env_of(character, device, monkeypatch) for _ in range(2))
    graphed = GraphedEnv(inner, backend(device))
    assert torch.equal(plain.reset(), graphed.reset())
    ends = 0
    for number in range(40):
        action = action_of(plain, number)
        if number == 7:
            action[3] = torch.nan
        if number == 20:
            for env in (plain, graphed):
                env.set_progress(10_000_000)
        if number == 25:
            saved = plain.state_dict()
        if number == 30:
            for env in (plain, graphed):
                env.load_state_dict(saved)
        if number == 35:
            for env in (plain, inner):
                env.reseed(9)
            graphed.reset_graphs()
        ours, theirs = graphed.step(action), plain.step(action)
        assert_same_step(ours, theirs, number)
        ends += int((ours.end != 0).sum())
    for name, value in graphed.state_dict().items():
        assert torch.equal(value, plain.state_dict()[name]), name
    assert ends > 12
    assert graphed.apply_action.num_captures == graphed.finish_step.num_captures == 1


class OutOfMemoryBackend(FakeGraphBackend):
    """Runs out of memory at the end of every capture."""

    def capture(self, function):
        def too_much():
            function()
            raise torch.OutOfMemoryError("CUDA out of memory")

        return super().capture(too_much)


@pytest.mark.warp
def test_an_environment_that_cannot_be_captured_goes_on_without_graphs(monkeypatch):
    plain, inner = (env_of("humanoid", "cpu", monkeypatch) for _ in range(2))
    graphed = GraphedEnv(inner, OutOfMemoryBackend())
    plain.reset(), graphed.reset()
    with pytest.warns(UserWarning, match="(apply_action|finish_step) cannot be captured.*out of memory") as warned:
        for number in range(12):
            assert_same_step(graphed.step(action_of(plain, number)), plain.step(action_of(plain, number)), number)
    assert sum("cannot be captured" in str(w.message) for w in warned) == 2


def test_an_environment_on_the_cpu_gets_no_graphs():
    env = make(gentle_motion("humanoid"), 2)
    assert with_graphs(env) is env
