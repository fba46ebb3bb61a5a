"""An authored stance: the zero pose of a character with slightly bent legs, held for a second, with its feet on the ground."""

import torch

from characters import Character, CharacterState, Kinematics
from mimic.core.rotations import quat_from_rotvec, quat_normalize
from mocap.motion import Motion

STAND = "stand"
_BENT = {"humanoid": {"hip": -0.08, "knee": -0.16, "ankle": -0.08}}  # [rad] about the joint's y axis


def author_stance(character: Character) -> Motion:
    """Author the stance of ``character`` as a loop of two frames."""
    turns = torch.zeros(1, len(character.joints), 3)
    for j, joint in enumerate(character.joints):
        for part, angle in _BENT.get(character.name, {}).items():
            if joint.name.endswith(part):
                turns[0, j] = angle * torch.tensor([0.0, 1.0, 0.0] if joint.kind == "ball" else joint.axis)
    joints = quat_from_rotvec(turns)
    still = torch.zeros(1, 3)
    upright = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    state = CharacterState(still, upright, still, still, joints, torch.zeros(1, character.num_actuated))
    kinematics = Kinematics(character)
    height = -kinematics.lowest_points(kinematics.forward(state)).amin().double()
    return Motion(
        name=STAND,
        character=character.name,
        joint_names=tuple(joint.name for joint in character.joints),
        times=torch.tensor([0.0, 1.0], dtype=torch.float64),
        root_pos_w=torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64).mul(height).repeat(2, 1),
        root_quat_w=upright.double().repeat(2, 1),
        joint_quat=quat_normalize(joints.double()).repeat(2, 1, 1),
        loop=True,
        source="authored by mimic",
        license="Apache-2.0 as this program; authored, not captured",
    )
