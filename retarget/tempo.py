"""Tells whether a body that has weight can play a hand-keyed motion at its speed.

An animator's figure has no weight, and often it is small: at our size the same strides in the same time may need more force
than muscles and friction give. Played slower, the motion needs less: accelerations shrink with the square of the speed.
"""

from characters.character import Character
from mocap.editing import repeat_cycles
from mocap.motion import Motion
from retarget.dynamics import effort
from retarget.ground import lift_penetration
from retarget.measures import ends_meet, worst_acceleration
from retarget.quality_report import OVERLOAD, SPIKE, THRESHOLDS, UNSUPPORTED

SLOWER = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)  # of the file's speed


def is_feasible(motion: Motion, character: Character) -> bool:
    """Whether the quality report's checks of forces and accelerations do not fail."""
    motion = lift_penetration(motion, character)
    cyclic = ends_meet(motion)
    whole = repeat_cycles(motion, 3) if cyclic else motion
    span = slice(motion.num_frames - 1, 2 * motion.num_frames - 1) if cyclic else slice(None)
    needed = effort(whole, character, span)
    shares = {
        "torque": needed.load.amax(1) > OVERLOAD,
        "unsupported": needed.unsupported > UNSUPPORTED,
        "spikes": worst_acceleration(whole, character)[span] > SPIKE,
    }
    return all(100 * float(flags.double().mean()) <= THRESHOLDS[name].fair for name, flags in shares.items())
