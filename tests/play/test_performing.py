"""Performances: a script is obeyed to the bit, a fall ends on the feet, and a script that cannot be meant is refused."""

import math
from pathlib import Path

import pytest
import torch

import run_mimic
from characters import load_character
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.play.helping_hand import GRAVITY, HandEngine
from mimic.play.performer import Performer, performing_env
from mimic.play.performing import perform
from mimic.play.script import Command, Push, Script, Steer, read_script
from mimic.runs.controller import load_controller
from mocap.stance import STAND
from tests.motion_samples import getup

ROOT = Path(__file__).resolve().parents[2]
DOG = "dog-authored"
KICK = Push(impulse=200.0, direction=90.0)


@pytest.fixture(scope="module")
def env() -> ConductedEnv:
    return performing_env(load_controller(DOG))


def performer(env: ConductedEnv) -> Performer:
    return Performer(env, load_controller(DOG).policy, STAND)


def told(performed: Performer) -> list[str]:
    return [event.kind for event in performed.events]


def test_the_same_script_gives_the_same_performance_to_the_bit():
    script = Script(
        2.0,
        (
            Command(0.0, steer=Steer(1.2, 0.3)),
            Command(0.8, push=Push(20.0)),
            Command(1.0, play="trot-authored", once=True),
        ),
    )
    first, second = (perform(load_controller(DOG), script) for _ in range(2))
    assert first.to_json() == second.to_json() and len(first.frames) == 60
    assert all(torch.equal(a.sim.pos, b.sim.pos) for a, b in zip(first.frames, second.frames, strict=True))
    said = [event for event in first.to_json()["events"] if event["event"] == "command"]
    assert [event["time"] for event in said] == [0.0, 0.8, 1.0]
    assert said[0]["steer"] == {"speed": 1.2, "turn": 0.3} and said[2]["play"] == "trot-authored" and said[2]["once"]


def test_a_clip_done_once_is_left_for_the_stick_and_a_loop_goes_on(env):
    for once in (True, False):
        one = performer(env)
        one.command(Command(0.0, steer=Steer(0.8)))
        one.command(Command(0.0, play="turn-authored", once=once))
        conductor, turn = env.conductor, env.library.index("turn-authored")
        seen = set()
        for _ in range(240):  # the reference alone: the character may fall
            conductor.advance()
            one._asked = one._asked and not float(conductor.left()[0]) < 0.5
            seen.add(int(conductor.now.clip[0]))
        assert turn in seen and one._asked is not once


def test_a_push_changes_the_velocity_by_impulse_over_mass_to_the_left(env):
    one = performer(env)
    before = env.engine.read().root_linvel_w
    one.command(Command(0.0, push=Push(impulse=11.0, direction=90.0)))
    change = (env.engine.read().root_linvel_w - before)[0]
    assert change.tolist() == pytest.approx([0.0, 11.0 / env.character.mass, 0.0], abs=1e-5)


def test_a_dog_that_fell_is_put_back_on_its_feet_where_it_lies(env):
    one = performer(env)
    one.command(Command(0.0, push=KICK))
    for _ in range(180):
        one.step()
        if told(one)[-1] == "put_back":
            break
    fall = next(event for event in one.events if event.kind == "fall")
    assert fall.what["body"] in [body.name for body in env.character.bodies]
    root = env.engine.read().root_pos_w[0]
    assert told(one)[-1] == "put_back" and float(root[1]) > 1.0 and not one.down
    assert float(root[2]) == pytest.approx(env.recovery.standing_height, abs=0.01)


def test_a_simulation_that_fails_goes_on_where_it_was(env):
    one = performer(env)
    one.step()
    env.push(torch.tensor([0]), torch.full((1, 3), 1e4))
    one._obs = env.look()
    one.step()
    assert told(one)[-1] == "put_back"
    for _ in range(10):
        one.step()
    assert bool(env.engine.read().finite()[0]) and float(env.engine.read().root_pos_w.abs().amax()) < 2.0


def test_a_humanoid_that_fell_gets_up_by_its_clip():
    controller = load_controller("humanoid")
    engine = HandEngine(load_character("humanoid"), 1, threads=1)
    one = Performer(ConductedEnv([getup()], engine, controller.env_config), controller.policy, STAND)
    one.command(Command(0.0, push=Push(impulse=400.0, direction=180.0)))
    for _ in range(90):
        one.step()
    kinds = told(one)
    assert kinds[kinds.index("fall") + 1] == "get_up"
    assert next(event for event in one.events if event.kind == "get_up").what == {"clip": "getup_faceup"}


def test_the_hand_pulls_towards_the_reference_within_its_limits(env):
    one = performer(env)
    engine = env.engine
    assert isinstance(engine, HandEngine)
    guide = one._guide(engine.substeps)
    assert (
        float(engine._held(guide[:, :, 0]).norm()) < 0.2 * GRAVITY * env.character.mass
    )  # the velocity differs a little
    guide[..., 0] += 5.0
    held = engine._held(guide[:, :, 0])[0]
    assert held[:3].tolist() == pytest.approx([GRAVITY * env.character.mass, 0.0, 0.0], abs=1.0)
    one.command(Command(0.0, hand=True))
    one.step()
    assert engine.guide is not None
    one.command(Command(0.0, hand=False))
    one.step()
    assert engine.guide is None and float(engine._applied.abs().amax()) == 0.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seconds: 5\ncommands: [{at: 1, stop: true}, {at: 0.5, stop: true}]", "commands[1]: at 0.5 s, but the command before"),
        ("seconds: 5\ncommands: [{at: 6, stop: true}]", "ends at 5 s"),
        ("seconds: 5\ncommands: [{at: 1, stopp: true}]", "unknown key 'stopp'; did you mean 'stop'"),
        ("seconds: 5\ncommands: [{at: 1, play: trott-authored}]", "commands[0].play: no clip 'trott-authored'; did you mean 'trot-authored'"),
        ("seconds: 5\nclip: standing\n", "clip: no clip 'standing'"),
        ("seconds: 5\ncommands: [{at: .nan, stop: true}]", "commands[0].at: expected a finite number, found nan"),
        ("seconds: 5\ncommands: [{at: 1, steer: {speed: .inf}}]", "speed: expected a finite number"),
        ("seconds: 5\ncommands: [{at: 1, steer: {speed: -1}}]", "speed must be from 0 to 20 m/s"),
        ("seconds: 5\ncommands: [{at: 1, push: {impulse: 1e9}}]", "impulse must be from 0 to 1000 N·s"),
        ("seconds: 5\ncommands: [{at: 1, push: {direction: 3}}]", "key 'impulse' is missing"),
        ("seconds: 5\ncommands: [{at: 1}]", "exactly one of play, steer, stop: true, push and hand; found none"),
        ("seconds: 5\ncommands: [{at: 1, hand: false, stop: true}]", "found stop and hand"),
        ("seconds: 5\ncommands: [{at: 1, stop: true, once: true}]", "once belongs to play"),
        ("seconds: 0\n", "seconds must be above 0"),
        ("seconds: 5\ncommands: !!python/object/apply:os.system [ls]", "tags"),
        ("- at: 1\n", "expected 'key: value' lines"),
        ("commands: []\n", "key 'seconds' is missing"),
    ],
)  # fmt: skip
def test_a_script_that_cannot_be_meant_is_refused_in_one_line(text, said, tmp_path, capsys):
    script = tmp_path / "script.yaml"
    script.write_text(text)
    assert run_mimic.main(["perform", str(script), "--controller", DOG, "--out", str(tmp_path / "film.mp4")]) == 2
    line = capsys.readouterr().err
    assert said in line and line.count("\n") == 1 and "script.yaml" in line


def test_a_controller_of_one_clip_cannot_perform(tmp_path, capsys):
    script = tmp_path / "script.yaml"
    script.write_text("seconds: 1\n")
    assert (
        run_mimic.main(["perform", str(script), "--controller", "walk-authored", "--out", str(tmp_path / "a.mp4")]) == 2
    )
    assert "cannot follow commands" in capsys.readouterr().err


def test_the_example_is_a_script():
    controller = load_controller("humanoid")
    script = read_script(ROOT / "docs" / "script.yaml", (*controller.clips, STAND))
    assert script.seconds == 20.0 and math.isclose(sum(command.push is not None for command in script.commands), 1)
