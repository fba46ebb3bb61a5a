"""Random states of the characters for tests: any pose the simulator can be in, hinges within their ranges."""

import torch
from torch import Tensor

from characters import Character, CharacterState
from mimic.core.rotations import quat_from_axis_angle, quat_from_rotvec

CHARACTERS = ("humanoid", "dog")


def normal(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def random_quat(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Uniform rotations (*shape, 4), of both signs."""
    q = normal(*shape, 4, seed=seed)
    return (q / q.norm(dim=-1, keepdim=True)).to(dtype)


def random_state(
    character: Character,
    n: int,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    height: float = 1.5,
    speed: float = 1.0,
    bend: float = 0.7,
) -> CharacterState:
    """Characters around ``height`` [m], joints bent by about ``bend`` [rad], moving at about ``speed``."""
    joint_quat = quat_from_rotvec(bend * normal(n, len(character.joints), 3, seed=seed + 1))
    for j, joint in enumerate(character.joints):
        if joint.kind == "hinge":
            low, high = joint.range or (-3.0, 3.0)
            share = torch.rand(n, generator=torch.Generator().manual_seed(seed + 100 + j), dtype=torch.float64)
            axis = torch.tensor(joint.axis, dtype=torch.float64).expand(n, 3)
            joint_quat[:, j] = quat_from_axis_angle(axis, low + (0.05 + 0.9 * share) * (high - low))
    state = CharacterState(
        root_pos_w=normal(n, 3, seed=seed + 2) * 0.3 + torch.tensor([0.0, 0.0, height]),
        root_quat_w=random_quat(n, seed=seed + 3),
        root_linvel_w=speed * normal(n, 3, seed=seed + 4),
        root_angvel_w=speed * normal(n, 3, seed=seed + 5),
        joint_quat=joint_quat,
        joint_vel=speed * normal(n, character.num_actuated, seed=seed + 6),
    )
    return state.to(dtype)


def assert_states_close(a: CharacterState, b: CharacterState, atol: float) -> None:
    """Every field close; rotations as rotations, whatever their sign."""
    for name in ("root_pos_w", "root_linvel_w", "root_angvel_w", "joint_vel"):
        torch.testing.assert_close(
            getattr(a, name), getattr(b, name), atol=atol, rtol=0, msg=lambda m, n=name: f"{n} {m}"
        )
    for name in ("root_quat_w", "joint_quat"):
        same = (getattr(a, name) * getattr(b, name)).sum(-1, keepdim=True).sign()
        torch.testing.assert_close(
            getattr(a, name), same * getattr(b, name), atol=atol, rtol=0, msg=lambda m, n=name: f"{n} {m}"
        )
