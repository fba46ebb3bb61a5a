"""Grounds: the model's surface is where the ground says, characters stand on it, and the bench counts falls."""

import json

import mujoco
import numpy as np
import pytest
import torch

import run_mimic
from characters import load_character
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.play.walking_on_ground import GROUNDS, bench_ground
from mimic.runs.controller import load_controller
from mimic.sim.ground import Ground, GroundEngine
from mocap.stance import author_stance

DOG = "dog-authored"


def surface(engine: GroundEngine, xy: np.ndarray) -> np.ndarray:
    """Heights of the model's ground, by rays from above; the character is far away."""
    model = engine._model()
    data = mujoco.MjData(model)
    data.qpos[:3] = -90.0, -90.0, 50.0
    mujoco.mj_forward(model, data)
    hit, down = np.zeros(1, dtype=np.int32), np.array([0.0, 0.0, -1.0])
    return np.array([20.0 - mujoco.mj_ray(model, data, [x, y, 20.0], down, None, 1, -1, hit) for x, y in xy])


@pytest.mark.parametrize("slope", [(0.14, 0.0), (-0.14, 0.0), (0.0, 0.14), (0.1, -0.2)])
def test_a_slope_rises_where_it_says(slope):
    xy = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, -4.0], [-2.0, 5.0]])
    ground = Ground(slope=slope)
    found = surface(GroundEngine(load_character("dog"), 1, 1, ground), xy)
    assert found == pytest.approx(ground.height(torch.from_numpy(xy)).numpy(), abs=1e-6)


def test_bumps_fill_their_range_and_are_level_at_the_start():
    random = np.random.default_rng(3)
    engine = GroundEngine(load_character("dog"), 1, 1, Ground(bumps=0.03), seed=1)
    found = surface(engine, random.uniform(-80.0, 80.0, (400, 2)))
    assert found.min() < -0.008 and found.max() > 0.008 and np.abs(found).max() <= 0.0151
    assert surface(engine, random.uniform(-0.7, 0.7, (20, 2))) == pytest.approx(0.0, abs=1e-5)
    other = GroundEngine(load_character("dog"), 1, 1, Ground(bumps=0.03), seed=2)
    xy = random.uniform(-80.0, 80.0, (20, 2))
    assert np.abs(surface(engine, xy) - surface(other, xy)).max() > 0.005


def test_friction_and_masses_are_scaled():
    usual, other = (
        GroundEngine(load_character("dog"), 1, 1, g)._model() for g in (Ground(), Ground(friction=0.5, mass=1.1))
    )
    assert other.geom_friction[:, 0] == pytest.approx(0.5 * usual.geom_friction[:, 0])
    assert other.body_mass.sum() == pytest.approx(1.1 * usual.body_mass.sum())


@pytest.mark.parametrize("where", GROUNDS)
def test_heights_are_above_the_ground_and_a_limp_character_ends_on_it(where):
    ground = GROUNDS[where]
    character = load_character("dog")
    engine = GroundEngine(character, 1, 1, ground)
    env = ConductedEnv([author_stance(character)], engine, load_controller(DOG).env_config)
    env.begin(torch.tensor([0]), torch.zeros(1))
    state = engine.read()
    start = float(state.root_pos_w[0, 2])
    state.root_pos_w[0, :2] = torch.tensor([4.0, 2.0])
    engine.reset(torch.tensor([0]), state)
    assert float(engine.read().root_pos_w[0, 2]) == pytest.approx(start, abs=1e-5)
    expected = start + float(ground.height(torch.tensor([[4.0, 2.0]])))
    assert float(engine._qpos[0, 2]) == pytest.approx(expected, abs=1e-5)
    engine.set_targets(torch.zeros(1, character.num_actuated))
    for _ in range(60):
        engine.step()
    lowest = float(env.kinematics.lowest_points(env.kinematics.forward(engine.read())).amin())
    assert -0.12 < lowest < 0.05, "it neither fell through the ground nor hangs above it"


def test_the_bench_counts_falls_by_ground_and_clip(tmp_path):
    report = bench_ground(load_controller(DOG), runs=2, seconds=1.0)
    assert set(report.shares) == set(GROUNDS) and set(report.shares["level"]) == {"walk-authored", "trot-authored"}
    assert report.shares["level"] == {"walk-authored": 1.0, "trot-authored": 1.0}
    out = tmp_path / "ground.json"
    slippery = ["--friction", "0.001", "--mass", "3", "--runs", "2", "--seconds", "2.5", "--json", str(out)]
    assert run_mimic.main(["bench", "ground", "--controller", DOG, *slippery]) == 0
    written = json.loads(out.read_text())
    assert set(written) == {"shares", "without_fall", "seconds", "runs"}
    uneven = [share for where in written["shares"] if where != "level" for share in written["shares"][where].values()]
    assert written["without_fall"] == pytest.approx(sum(uneven) / len(uneven)) and written["without_fall"] < 1.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--controller", "walk-authored"], "choose a controller of a library"),
        (["--controller", DOG, "--clips", "trott-authored"], "does not have the clip 'trott-authored'"),
        (["--controller", DOG, "--friction", "0"], "--friction"),
        (["--controller", DOG, "--mass", "nan"], "--mass"),
    ],
)
def test_a_bench_that_cannot_be_meant_is_refused_in_one_line(options, said, capsys):
    try:
        code = run_mimic.main(["bench", "ground", *options])
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err
    assert code == 2 and said in error and "Traceback" not in error
