"""library.json and library.bin: the clips of a controller of a library, the table of entries, and the conductor's numbers.

A player reads them and does what ``mimic/motion_graph`` does: it makes a reference from commands.
"""

from typing import Any

from mimic.exporting.tensors import concat_tensors, exact
from mimic.motion_graph import conductor, entries, segment
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.motion_graph.library import RATE, STAND
from mimic.tracking.clip_rules import rules_of
from mimic.tracking.termination import forbidden_bodies


def library_table(env: ConductedEnv) -> tuple[dict[str, Any], bytes]:
    """Return the content of library.json without its schema version, and the bytes of library.bin."""
    library, table = env.library, env.conductor.entries
    index, data = concat_tensors(
        {
            "table": library.table.numpy(),
            "entries.wait": table.wait.numpy(),
            "entries.phase": table.phase.numpy(),
        }
    )
    described = {
        "rate": RATE,
        "meaning": "table: rows of all clips, `rate` a second: root position [m], root quaternion wxyz, joint pose as servo "
        "targets [rad], heading [rad]. entries: rows of all clips, step_s apart, a column for each clip that may follow: "
        "control steps to wait, and phase at which that clip is entered.",
        "clips": _clips(env),
        "gaits": list(library.gaits),
        "conductor": {
            "step_s": entries.STEP_S,
            "follow_s": conductor.FOLLOW_S,
            "acceleration": conductor.ACCELERATION,
            "turning": conductor.TURNING,
            "fastest": conductor.FASTEST,
            "steps_of_turning": conductor.STEPS_OF_TURNING,
            "half_life_s": segment.HALF_LIFE_S,
            "difference_s": segment.DIFFERENCE_S,
            "cycles": segment.CYCLES,
        },
        "tensors": index,
    }
    return described, data


def _clips(env: ConductedEnv) -> list[dict[str, Any]]:
    library, table = env.library, env.conductor.entries
    licences = {motion.name: motion.license or "not stated" for motion in env.motions}
    fallen = {
        motion.name: forbidden_bodies(env.character, rules_of((motion,), env.character)) for motion in env.motions
    }
    feet = env.character.config.allowed_contacts
    fallen.setdefault(STAND, [body.name for body in env.character.bodies if body.name not in feet])
    return [
        {
            "name": name,
            "licence": licences.get(name, "Apache-2.0 (mimic)"),
            "seconds": float(library.seconds[k]),
            "loop": bool(library.loops[k]),
            "first": int(library.first[k]),
            "rows": int(library.rows[k]),
            "travel": exact(library.travel[k]),
            "turn": float(library.turn[k]),
            "shift": float(library.shift[k]),
            "poses": {"first": int(table.first[k]), "rows": int(table.rows[k])},
            "fallen_if_below_ground": fallen[name],
        }
        for k, name in enumerate(library.names)
    ]
