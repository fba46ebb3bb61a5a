"""The rules of a clip: allowed ground contacts, and re-synchronisation of the reference's root with the simulation.

The table ``clip_rules.yaml`` holds the rules of the clips in the catalogue. The rules of any other clip are inferred from its motion.
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

    Attributes:
        allowed_contacts: bodies that may touch the ground, beside those that the character always allows.
        forbidden_contacts: if given, exactly these bodies must not touch the ground.
        contact_fails: whether a forbidden contact ends the episode.
        sync_root_pos: whether each cycle moves the reference's root to the position of the simulated root.
        sync_root_yaw: whether each cycle turns the reference's root to the heading of the simulated root.
        episode_s: longest episode [s]; None is no limit.
    """

    allowed_contacts: tuple[str, ...] = ()
    forbidden_contacts: tuple[str, ...] | None = None
    contact_fails: bool = True
    sync_root_pos: bool = True
    sync_root_yaw: bool = False
    episode_s: float | None = None


@cache
def rules_for(*clips: str) -> ClipRules:
    """Return the rules of the clip of this name in the table; a clip that is not there has the defaults of ClipRules.

    For several names these are the rules of the first, with the root's position synchronised and its heading not.
    """
    table = read_yaml(_TABLE)
    rules = build(ClipRules, table.get(clips[0], {}), f"{_TABLE.name}: {clips[0]}")
    return replace(rules, sync_root_pos=True, sync_root_yaw=False) if len(clips) > 1 else rules


def rules_of(motions: Sequence[Motion], character: Character) -> ClipRules:
    """Return the rules that ``motions`` share, from the table or, if the first clip is not in the catalogue, inferred.

    Inferred rules allow ground contact to every body that touches the ground in the clips. The heading is
    synchronised at each cycle if a single looping clip turns the character.
    """
    names = [motion.name for motion in motions]
    rules = rules_for(*names)
    if names[0] in clip_names():
        return rules
    touching = dict.fromkeys(name for motion in motions for name in _on_the_ground(motion, character))
    turns = len(motions) == 1 and motions[0].loop and keeps_turning(motions[0])
    return replace(rules, allowed_contacts=tuple(touching), sync_root_yaw=turns)


def _on_the_ground(motion: Motion, character: Character) -> list[str]:
    """Return the names of the bodies that touch the ground at some moment of the clip."""
    still = motion.root_pos_w.new_zeros(motion.num_frames, 3)
    joint_vel = motion.root_pos_w.new_zeros(motion.num_frames, character.num_actuated)
    state = CharacterState(motion.root_pos_w, motion.root_quat_w, still, still, motion.joint_quat, joint_vel)
    kinematics = Kinematics(character, motion.root_pos_w.device, motion.root_pos_w.dtype)
    lowest = kinematics.lowest_points(kinematics.forward(state)).amin(0)
    return [
        body.name for body, touches in zip(character.bodies, _ON_GROUND.stands(lowest).tolist(), strict=True) if touches
    ]


def foot_bodies(character: Character, rules: ClipRules) -> tuple[str, ...]:
    """Return the names of the bodies that may touch the ground under ``rules``.

    Rules that list forbidden bodies, or under which no contact fails, name no allowed bodies. The result is then the
    character's end effectors.
    """
    if rules.contact_fails and rules.forbidden_contacts is None:
        return tuple(dict.fromkeys((*character.config.allowed_contacts, *rules.allowed_contacts)))
    return character.end_effectors
