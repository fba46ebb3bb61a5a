"""library.json and library.bin: the clips of a controller of a library, the table of entries, and the conductor's numbers.

A player reads them and does what ``mimic/motion_graph`` does: it makes a reference from commands.
"""

from typing import Any

from mimic.exporting.tensors import concat_tensors, exact
from mimic.motion_graph import conducted_env, conductor, entries, recovery, segment
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.motion_graph.library import RATE
from mimic.tracking.clip_rules import rules_of
from mimic.tracking.termination import forbidden_bodies


def library_table(env: ConductedEnv) -> tuple[dict[str, Any], bytes]:
    """Return the content of library.json without its schema version, and the bytes of library.bin."""
    library, table = env.library, env.conductor.entries
    index, data = concat_tensors(
        {
            "table": library.table.numpy(),
            "entries.wait": table.wait.numpy(),
            "entries.clip": table.clip.numpy(),
            "entries.phase": table.phase.numpy(),
        }
    )
    described = {
        "rate": RATE,
        "meaning": "table: rows of all clips, `rate` a second: root position [m], root quaternion wxyz, joint pose as servo "
        "targets [rad], heading [rad]. entries: rows of all clips, step_s apart, a column for each wanted clip: control steps "
        "to wait for the next jump on the way to it, the clip that this jump enters, and the phase at which it does.",
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
            "slip_half_lives": segment.SLIP_HALF_LIVES,
            "difference_s": segment.DIFFERENCE_S,
            "cycles": segment.CYCLES,
            "leave_s": conductor.LEAVE_S,
            "settle_steps": conductor.SETTLE_STEPS,
            "pure": conductor.PURE,
            "rest": env.conductor.rest,
        },
        "recovery": {
            "getups": env.recovery.getups,
            "down_m": env.recovery.down_height,
            "down_s": conducted_env.DOWN_S,
            "lying_m": recovery.LYING_M,
            "every_s": recovery.EVERY_S,
            "settle_s": recovery.SETTLE_S,
            "half_life_s": recovery.HALF_LIFE_S,
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
    return [
        {
            "name": name,
            "licence": licences[name],
            "seconds": float(library.seconds[k]),
            "loop": bool(library.loops[k]),
            "first": int(library.first[k]),
            "rows": int(library.rows[k]),
            "travel": exact(library.travel[k]),
            "turn": float(library.turn[k]),
            "shift": float(library.shift[k]),
            "frame_s": float(library.frame_s[k]),
            "poses": {"first": int(table.first[k]), "rows": int(table.rows[k])},
            "fallen_if_below_ground": fallen[name],
        }
        for k, name in enumerate(library.names)
    ]
