"""Training where the learner, or the simulation too, lies on another device than the CPU: nothing of one is used on the other."""

import contextlib
import dataclasses

import pytest
import torch

from characters import CharacterState, load_character
from mimic.rl.algorithm import make_learner
from mimic.rl.policy import on_device
from mimic.rl.rollout import RolloutConfig
from mimic.rl.trainer import Trainer, TrainerConfig
from mimic.sim.engines.mujoco import MujocoEngine
from mimic.tracking import ClipRules, TrackingEnv
from tests.kinematic_engine import gentle_motion, preset
from tests.second_device import FAR, FarTensor, TwoDevices, near, second_device

pytestmark = pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")  # for FAR it is a copy

SHORT = RolloutConfig(steps=8, replay_iterations=3, std_start=0.4, std_end=0.2)
ITERATION = 8 * 32


class FarEngine:
    """MuJoCo, seen from FAR."""

    device = FAR

    def __init__(self, engine: MujocoEngine) -> None:
        self.engine, self.character, self.num_envs = engine, engine.character, engine.num_envs
        self.step = engine.step

    def reset(self, chosen, state):
        chosen = near(chosen)
        ids = chosen.nonzero().squeeze(1) if chosen.dtype == torch.bool else chosen
        picked = ids if chosen.dtype == torch.bool else slice(None)
        self.engine.reset(ids, _state(lambda value: near(value)[picked], state))

    def set_targets(self, pd_target):
        self.engine.set_targets(near(pd_target))

    def read(self):
        return _state(lambda value: value.to(FAR), self.engine.read())

    def failed(self):
        return self.engine.failed().to(FAR)

    def snapshot(self):
        return {name: value.to(FAR) for name, value in self.engine.snapshot().items()}

    def restore(self, snapshot):
        self.engine.restore({name: near(value) for name, value in snapshot.items()})


def _state(change, state: CharacterState) -> CharacterState:
    return CharacterState(**{f.name: change(getattr(state, f.name)) for f in dataclasses.fields(state)})


def learned(trainer) -> dict[str, torch.Tensor]:
    """All that a run has learned, on the CPU."""
    groups = trainer.state.tensors()
    return {
        f"{group}.{name}": groups[group][name].detach().cpu()
        for group in ("policy", "critic")
        for name in groups[group]
    }


def assert_same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def test_the_second_device_refuses_what_a_gpu_would(monkeypatch):
    with second_device(monkeypatch):
        far = torch.ones(3, device=FAR)
        assert isinstance(far + 1.0, FarTensor) and float(far.sum()) == 3.0
        assert far.cpu().device.type == "cpu" and torch.tensor([1.0], device=FAR).device == FAR
        for mixed in (
            lambda: far + torch.ones(3),
            lambda: torch.where(far > 0, torch.ones(3), 0.0),
            lambda: far.addcmul_(torch.ones(3), far),
            lambda: torch.ones(3)[far.long()],
            lambda: torch.cat([far, torch.ones(3)]),
        ):
            with pytest.raises(RuntimeError, match="two devices"):
                mixed()
        with pytest.raises(TypeError, match="another device"):
            far.numpy()


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize(
    ("algorithm", "settings"),
    [("awr", {"optimizer": "muon", "control_variate": True, "anchor": "current"}), ("ppo", {"optimizer": "sgd"})],
)
def test_a_learner_elsewhere_learns_the_same_from_what_the_cpu_simulates(
    make_trainer, monkeypatch, algorithm, settings, overlap
):
    def run(device, out):
        options = {"device": device, "ema_decay": 0.9, "out": out, "learner": settings}
        rollout = dataclasses.replace(SHORT, overlap=overlap)
        begun = make_trainer(algorithm, rollout=rollout, samples=4 * ITERATION, evaluate_every=2 * ITERATION, **options)
        resumed = make_trainer(algorithm, rollout=rollout, samples=5 * ITERATION, **options)
        for trainer in (begun, resumed):
            learn = trainer._learn

            def on_the_other_thread(learn=learn):
                with TwoDevices() if overlap and device == FAR else contextlib.nullcontext():
                    return learn()

            monkeypatch.setattr(trainer, "_learn", on_the_other_thread)
        begun.train()
        resumed.resume()
        resumed.train()
        return resumed

    with second_device(monkeypatch):
        there = run(FAR, "there")
        assert there.learner.policy.std.device == there.state.replay.obs.device == FAR
        assert there.state.tracker.running.device == torch.device("cpu")
        assert_same(learned(run("cpu", "here")), learned(there))


@pytest.mark.parametrize("character", ["humanoid", "dog"])
def test_simulation_and_learner_elsewhere_do_the_same(monkeypatch, tmp_path, character):
    motion, chosen = gentle_motion(character, turn=0.3), preset("fast", "env.adaptive_starts=0.5")

    def run(far: bool):
        engine = MujocoEngine(load_character(character), 8, threads=1)
        env = TrackingEnv(motion, FarEngine(engine) if far else engine, chosen.env, ClipRules(), seed=3)
        env.masked_reset = True  # as elsewhere: in batches of other sizes the last digit may be another
        settings = chosen.algorithm("awr")
        update = dataclasses.replace(settings.update, precision="float32")
        return Trainer(
            env,
            make_learner(env, chosen.policy, update, 0),
            dataclasses.replace(settings.rollout, overlap=False),
            TrainerConfig(samples=8 * 12 * 3, evaluate_every=8 * 12 * 2, tensorboard=False, ema_decay=0.9),
            out=tmp_path / ("there" if far else "here"),
            seed=0,
            evaluate=lambda policy: {"normalized_return": float(on_device(policy, torch.device("cpu")).std.sum())},
            spec={},
        )

    with second_device(monkeypatch):
        there = run(far=True)
        there.train()
        assert there.env.masked_reset and there.state.tracker.running.device == there.learner.device == FAR
        again = run(far=True)
        assert again.resume().step == 3
        assert_same(learned(again), learned(there))
        here = run(far=False)
        here.train()
        assert_same(learned(here), learned(there))
