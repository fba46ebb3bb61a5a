"""The rules of a clip: which contacts are allowed, and how the reference's root is re-synchronised.

A table holds the rules of the clips in the catalogue. The rules of any other clip are inferred from its motion.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from characters import Character, CharacterState, Kinematics
from characters.ground_contact import ContactRule
from mimic.core.strict_config import build, read_yaml
from mocap.catalogue import clip_names
from mocap.editing import keeps_turning
from mocap.motion import Motion

_ON_GROUND = ContactRule(touch=0.02)  # of a body's lowest point in the clip [m]
_TABLE = Path(__file__).with_name("clip_rules.yaml")


@dataclass(frozen=True)
class ClipRules:
    """The rules of one clip, as in DeepMimic's arguments files.

    ``allowed_contacts`` adds to the character's; ``forbidden_contacts`` replaces the rule by a list of bodies.
    ``sync_root_pos`` / ``sync_root_yaw``: at each cycle the reference's root is moved / turned to the simulated one.
    ``episode_s`` caps the episode [s].
    """

    allowed_contacts: tuple[str, ...] = ()
    forbidden_contacts: tuple[str, ...] | None = None
    contact_fails: bool = True
    sync_root_pos: bool = True
    sync_root_yaw: bool = False
    episode_s: float | None = None


@cache
def rules_for(*clips: str) -> ClipRules:
    """The rules of a clip of the catalogue; several clips have those of the first, without a re-synchronised heading."""
    table = read_yaml(_TABLE)
    rules = build(ClipRules, table.get(clips[0], {}), f"{_TABLE.name}: {clips[0]}")
    return replace(rules, sync_root_pos=True, sync_root_yaw=False) if len(clips) > 1 else rules


def rules_of(motions: Sequence[Motion], character: Character) -> ClipRules:
    """The rules of these clips.

    They are inferred if the first clip is not in the catalogue. Every body that touches the ground in the clips may then
    touch it, and a cycle that turns goes on turning.
    """
    names = [motion.name for motion in motions]
    rules = rules_for(*names)
    if names[0] in clip_names():
        return rules
    touching = dict.fromkeys(name for motion in motions for name in _on_the_ground(motion, character))
    turns = len(motions) == 1 and motions[0].loop and keeps_turning(motions[0])
    return replace(rules, allowed_contacts=tuple(touching), sync_root_yaw=turns)


def _on_the_ground(motion: Motion, character: Character) -> list[str]:
    """Bodies that touch the ground at some moment of the clip."""
    still = motion.root_pos_w.new_zeros(motion.num_frames, 3)
    joint_vel = motion.root_pos_w.new_zeros(motion.num_frames, character.num_actuated)
    state = CharacterState(motion.root_pos_w, motion.root_quat_w, still, still, motion.joint_quat, joint_vel)
    kinematics = Kinematics(character, motion.root_pos_w.device, motion.root_pos_w.dtype)
    lowest = kinematics.lowest_points(kinematics.forward(state)).amin(0)
    return [
        body.name for body, touches in zip(character.bodies, _ON_GROUND.stands(lowest).tolist(), strict=True) if touches
    ]


def foot_bodies(character: Character, rules: ClipRules) -> tuple[str, ...]:
    """The bodies that the rules let touch the ground; the end effectors if the rules let every body."""
    if rules.contact_fails and rules.forbidden_contacts is None:
        return tuple(dict.fromkeys((*character.config.allowed_contacts, *rules.allowed_contacts)))
    return character.end_effectors
