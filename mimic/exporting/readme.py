"""The README of a bundle: it explains each file, how to check the bundle, and the licence."""

from mimic.exporting.licence import Provenance
from mimic.runs.controller import Controller
from mimic.tracking import TrackingEnv

_TEXT = """# {clip}, a mimic controller for the {character}

{warning}A trained controller that makes a simulated character perform a clip, ready for a game engine. Nothing here needs mimic.

| file | what it is |
|--|--|
| manifest.json | schema version, licence, size and sha256 of every file |
| policy.onnx | observation (1, {obs}) -> action (1, {act}), normaliser inside |
| controller.onnx | raw simulation state and clip time -> servo targets, observation inside |
| weights.json .bin | the same policy as plain numbers, for engines without an ONNX runtime |
| character.xml .urdf .glb | the character: MuJoCo (exact), URDF (ball joints as three hinges), skinned mesh with the clip as animation |
| skeleton.json | bodies, joints, axes, limits, and where their numbers lie in qpos and qvel |
| control.json | rates, gains, torque limits, what an action means |
| observation.json | every number of the observation: name, unit, frame |
| conventions.json | axes and units, and the matrices to Unity, Unreal, Godot and glTF |
| reference.json .bin | the clip that is imitated |
| testvectors.json | 64 states with observation, action and target; two seconds of the controller at work |
| players/ | evaluators in Python, C++, JavaScript, GDScript and C#, each with a check |
| samples/ | first steps in Unity, Unreal and Godot |

## Does it work here?

    python players/play.py .                 # needs: pip install mujoco onnxruntime numpy; --view shows it
    node players/check.mjs .
    g++ -std=c++17 -O2 players/check.cpp -o check && ./check .
    mcs -out:check.exe players/MimicController.cs players/Check.cs && mono check.exe .    # or dotnet
    godot3-server --no-window -s players/check.gd . # Godot 3; see samples/godot for Godot 4

The first plays the recorded two seconds again in MuJoCo, the others recompute testvectors.json from the plain numbers;
each says how far off it is. players/rollout.cpp plays the two seconds in C++.

## One control step ({hz:g} Hz; physics at {sim_hz:g} Hz)

1. observation from qpos, qvel and the clock (observation.json), action = policy(observation),
   servo target = base + scale * action (control.json), or all at once with controller.onnx;
2. {substeps} physics steps, the servo's torque renewed at each (an engine with finer steps renews it at each of those);
3. the clock moves on; at the end of a cycle the clip goes on from where the character is (control.json, task).

## Licence

Clip: {clip_licence}.
Controller: {controller_licence}.
Character, players and samples: Apache-2.0.
"""


def bundle_readme(controller: Controller, env: TrackingEnv, licence: Provenance) -> bytes:
    """Return the bytes of the bundle's README.md."""
    simulation = env.character.simulation
    warning = f"**{licence.warning}**\n\n" if licence.warning else ""
    return _TEXT.format(
        clip=env.motion.name,
        character=env.character.name,
        warning=warning,
        obs=env.obs_dim,
        act=env.act_dim,
        hz=1.0 / simulation.control_dt,
        sim_hz=1.0 / simulation.sim_dt,
        substeps=simulation.substeps,
        clip_licence=licence.clip.licence,
        controller_licence=licence.controller.licence,
    ).encode()
