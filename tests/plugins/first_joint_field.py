"""An observation field in one file."""

from torch import Tensor

from mimic.tracking.observation import ObservationInputs, field


@field("first_joint_vel", size=lambda character, targets: 3)
def first_joint_vel(inputs: ObservationInputs) -> Tensor:
    """Velocity of the first joint [rad/s]."""
    return inputs.sim.joint_vel[:, :3]
