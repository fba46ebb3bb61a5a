"""The rules by which an episode fails and ends early."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from characters import BodyState, Character, CharacterState, Kinematics
from mimic.tracking.clip_rules import ClipRules
from mimic.tracking.config import TerminationConfig
from mimic.tracking.reference import ReferenceSample, of_clip


class EarlyTermination:
    """Tests which episodes fail: by forbidden ground contact, and in training also by errors against the reference.

    ``rules`` holds the rules of each clip; ``training`` switches on the limits of tilt and distance in ``config``.
    """

    def __init__(
        self,
        config: TerminationConfig,
        rules: Sequence[ClipRules],
        kinematics: Kinematics,
        training: bool,
        device: torch.device,
    ):
        self.config, self._kinematics = config, kinematics
        character = kinematics.character
        forbidden = [forbidden_bodies(character, one) for one in rules]
        names = [body.name for body in character.bodies if any(body.name in one for one in forbidden)]
        self._bodies = torch.tensor([character.body_index(name) for name in names], device=device)
        self._forbidden = torch.tensor([[name in one for name in names] for one in forbidden], device=device)
        self._root_tilt = config.root_tilt if training else None
        self._body_distance = config.body_distance if training else None

    def failed(
        self, sim: CharacterState, bodies: BodyState, reference: ReferenceSample, clip: Tensor | None = None
    ) -> Tensor:
        """Return (N,) bool: the episodes that fail in this state.

        ``clip`` (N,) int64 is the index of each environment's clip; None means the first for all.
        """
        failed = torch.zeros(len(sim), dtype=torch.bool, device=sim.root_pos_w.device)
        if len(self._bodies):
            touching = self._kinematics.lowest_points(bodies)[:, self._bodies] < self.config.contact_height
            failed |= (touching & of_clip(self._forbidden, clip)).any(1)
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
    """Return the names of the bodies that must not touch the ground under ``rules``."""
    if not rules.contact_fails:
        return []
    if rules.forbidden_contacts is not None:
        return list(rules.forbidden_contacts)
    allowed = {*character.config.allowed_contacts, *rules.allowed_contacts}
    return [body.name for body in character.bodies if body.name not in allowed]
