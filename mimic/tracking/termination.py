"""Failure: the rules by which an episode is terminated early."""

import math

import torch
from torch import Tensor

from characters import BodyState, Character, CharacterState, Kinematics
from mimic.tracking.clip_rules import ClipRules
from mimic.tracking.config import TerminationConfig
from mimic.tracking.reference import ReferenceSample


class Termination:
    """Failure by forbidden ground contact; in training also by tilt and distance from the reference."""

    def __init__(
        self, config: TerminationConfig, rules: ClipRules, kinematics: Kinematics, training: bool, device: torch.device
    ):
        self.config, self._kinematics = config, kinematics
        forbidden = forbidden_bodies(kinematics.character, rules)
        self._forbidden = torch.tensor([kinematics.character.body_index(name) for name in forbidden], device=device)
        self._root_tilt = config.root_tilt if training else None
        self._body_distance = config.body_distance if training else None

    def failed(self, sim: CharacterState, bodies: BodyState, reference: ReferenceSample) -> Tensor:
        """(N,) bool: episodes that fail in this state."""
        failed = torch.zeros(len(sim), dtype=torch.bool, device=sim.root_pos_w.device)
        if len(self._forbidden):
            lowest = self._kinematics.lowest_points(bodies)[:, self._forbidden]
            failed |= lowest.amin(1) < self.config.contact_height
        if self._root_tilt is not None:
            cosine = (
                (sim.root_quat_w * reference.state.root_quat_w).sum(-1).abs()
            )  # of half the angle between the roots
            failed |= cosine < math.cos(0.5 * min(self._root_tilt, math.pi))
        if self._body_distance is not None:
            reference_pos_w = reference.body_offset_w + reference.state.root_pos_w[:, None]
            distance = (bodies.pos_w - reference_pos_w).square().sum(-1).amax(1)
            failed |= distance > self._body_distance**2
        return failed


def forbidden_bodies(character: Character, rules: ClipRules) -> list[str]:
    """Names of the bodies that must not touch the ground under these rules."""
    if not rules.contact_fails:
        return []
    if rules.forbidden_contacts is not None:
        return list(rules.forbidden_contacts)
    allowed = {*character.config.allowed_contacts, *rules.allowed_contacts}
    return [body.name for body in character.bodies if body.name not in allowed]
