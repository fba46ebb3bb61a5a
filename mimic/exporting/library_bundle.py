"""The bundle of a controller of a library of clips: schema version 2."""

from mimic.exporting.axes import conventions
from mimic.exporting.glb import character_glb
from mimic.exporting.library_files import library_env, library_files
from mimic.exporting.licence import Provenance, provenance
from mimic.exporting.performance import performance
from mimic.exporting.runtime_free import LIBRARY_VERSION, policy_tensors, versioned
from mimic.exporting.schema_parts import control, skeleton
from mimic.exporting.urdf import character_urdf
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.runs.controller import Controller

PLAYERS = ("mimic.mjs", "conductor.mjs", "recovery.mjs", "library.mjs", "check_library.mjs")

_TEXT = """# {name}, a mimic controller for the {character}

{warning}A trained controller of {count} clips. A conductor (a motion graph) makes a reference from commands, and the policy
makes a simulated character follow it. Nothing here needs mimic.

| file | what it is |
|--|--|
| manifest.json | schema version, licence of every clip, size and sha256 of every file |
| library.json .bin | the clips, the table of entries from any pose to any clip, the conductor's numbers |
| policy.onnx | observation (1, {obs}) -> action (1, {act}), normaliser inside |
| weights.json .bin | the same policy as plain numbers |
| character.xml .urdf .glb | the character: MuJoCo (exact), URDF (ball joints as three hinges), skinned mesh |
| skeleton.json, control.json, observation.json, conventions.json | what the numbers mean |
| performance.json | commands, and reference, observation, action and torques at every control step |
| players/ | library.mjs, the evaluator in JavaScript, and its check |

This is schema version 2. The players in C++, C#, GDScript and Python read version 1, a single clip, and refuse this bundle
by its version.

## Does it work here?

    node players/check_library.mjs .

## Clips

{clips}

## Licence

{licences}
Controller: {controller_licence}.
Character and players: Apache-2.0.
"""


def library_bundle(
    controller: Controller, players: dict[str, bytes]
) -> tuple[ConductedEnv, Provenance, dict[str, bytes]]:
    """Return the environment, the licence, and the bytes of every file but the manifest. Raises InputError.

    ``players`` are the files of ``players/`` and ``samples/`` by path, of which a library needs some.
    """
    from mimic.exporting.onnx_policy import metadata, policy_onnx  # imported here because onnx is an optional package

    env = library_env(controller)
    licence = provenance(controller, *env.motions[: len(controller.clips)])
    described = {"skeleton": skeleton(env.character), "control": control(env)}
    bodies = [body["name"] for body in described["skeleton"]["bodies"]]
    notes = metadata({"schema_version": LIBRARY_VERSION, **described}, described["control"]["joints"], bodies)
    files = {
        "policy.onnx": policy_onnx(policy_tensors(controller.policy), notes),
        **library_files(controller, env),
        "conventions.json": versioned(conventions(), version=LIBRARY_VERSION),
        "character.urdf": character_urdf(env.character),
        "character.glb": character_glb(env.character),
        "performance.json": versioned(performance(env, controller.policy), compact=True, version=LIBRARY_VERSION),
        "README.md": _readme(controller, env, licence),
        **{f"players/{name}": players[f"players/{name}"] for name in PLAYERS},
    }
    return env, licence, files


def _readme(controller: Controller, env: ConductedEnv, licence: Provenance) -> bytes:
    return _TEXT.format(
        name=controller.path.name,
        character=env.character.name,
        count=len(licence.clips),
        warning=f"**{licence.warning}**\n\n" if licence.warning else "",
        obs=env.obs_dim,
        act=env.act_dim,
        clips=", ".join(env.library.names) + ".",
        licences="\n".join(f"* {clip.name}: {clip.licence}" for clip in licence.clips),
        controller_licence=licence.controller.licence,
    ).encode()
