"""Finds the role of each joint of a recording from its name, its place in the tree, and the lengths of bones.

A role is a part of the body that all skeletons share, such as ``pelvis`` or ``left_knee``.

Hands and feet are recognised by name. The joints between them and the trunk follow from the tree, because "Shoulder" is
a collar bone in one studio and an upper arm in another. A skeleton without known names is mapped by its shape
(``shape.py``). A YAML of ``role: joint`` lines overrides the result.
"""

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from characters.roles import ARM, LEG, NEEDED, ROLES, SIDES, opposite, side_of
from mimic.core.errors import ClipError, ConfigError, nearest
from mimic.core.strict_config import read_yaml
from retarget.joint_names import parse_joint_name, stem
from retarget.joint_tree import Tree
from retarget.shape import limbs_by_shape, sides_of

_MAX_LINES = 40


@dataclass(frozen=True)
class Mapping:
    """The roles of a skeleton's joints, with notes for the user.

    Attributes:
        joints: index of the joint of each role.
        spine: indices of the joints from the pelvis to the chest, both included.
        notes: guesses and corrections, in words.
    """

    joints: dict[str, int]
    spine: tuple[int, ...]
    notes: tuple[str, ...]


def map_skeleton(
    names: Sequence[str], parents: Sequence[int], pos_w: Tensor, override: MappingOf[str, str] | None = None
) -> Mapping:
    """Find the roles of a skeleton's joints.

    Args:
        names: the J joints' names.
        parents: index of each joint's parent, -1 for the root; parents come first.
        pos_w: (T, J, 3) [m], z up.
        override: joint names by role, which take precedence.

    Raises:
        ClipError: a needed role cannot be found; the message contains a YAML to complete.
        ConfigError: ``override`` names a role or joint that does not exist.
    """
    tree = Tree.of(parents, pos_w)
    given = _given(override or {}, names)
    joints, notes = dict(given), list[str]()
    _place_limb_ends(joints, names, tree, pos_w, notes)
    for side in SIDES:
        _walk_up(joints, side, ARM, tree, names)
        _walk_up(joints, side, LEG, tree, names)
    _place_trunk(joints, tree, names)
    _place_extremities(joints, tree, names)
    joints.update(given)
    missing = [role for role in NEEDED if role not in joints]
    if missing:
        raise ClipError(_help_out(missing, joints, names))
    spine = tuple(tree.path(joints["pelvis"], joints["chest"])) or (joints["pelvis"], joints["chest"])
    if not given:
        _swap_mistaken_sides(joints, pos_w, notes)
    return Mapping(joints, spine, tuple(notes))


def read_map(path: Path | str) -> dict[str, str]:
    """Read a YAML of ``role: joint name`` lines.

    Raises ConfigError for a file that is no such YAML, an unknown role, or more than 40 lines.
    """
    data = read_yaml(path)
    if len(data) > _MAX_LINES:
        raise ConfigError(f"{path}: {len(data)} lines; a map has at most {_MAX_LINES}, one for each role")
    for role, joint in data.items():
        if role not in ROLES:
            raise ConfigError(f"{path}: no role '{role}'; {nearest(role, ROLES)}")
        if not isinstance(joint, str):
            raise ConfigError(f"{path}: {role}: expected a joint's name, found {joint!r}")
    return data


def map_yaml(joints: MappingOf[str, int], names: Sequence[str]) -> str:
    """Return the text of a map file: ``role: "joint"`` for each needed role in ``joints``, ``role: # ?`` for the others."""
    lines = [f'{role}: "{names[joints[role]]}"' if role in joints else f"{role}: # ?" for role in NEEDED]
    return "\n".join(lines)


def _given(override: MappingOf[str, str], names: Sequence[str]) -> dict[str, int]:
    for role, name in override.items():
        if name not in names:
            raise ConfigError(f"map: {role}: no joint '{name}'; {nearest(name, names)}")
    return {role: list(names).index(name) for role, name in override.items()}


def _place_limb_ends(joints: dict[str, int], names: Sequence[str], tree: Tree, pos_w: Tensor, notes: list[str]) -> None:
    """Add wrists and ankles to ``joints``, by name or, if no name is known, by the skeleton's shape."""
    senses = [parse_joint_name(name) for name in names]
    for side in SIDES:
        for part in ("wrist", "ankle"):
            found = [j for j, s in enumerate(senses) if (s.part, s.side) == (part, side) and not s.auxiliary]
            if found and f"{side}_{part}" not in joints:
                joints[f"{side}_{part}"] = min(found, key=lambda j: tree.depth[j])
    for part, above in (("wrist", "elbow"), ("ankle", "knee")):  # a shin whose end is no joint of its own
        middles = [
            [j for j, s in enumerate(senses) if (s.part, s.side, s.auxiliary) == (above, side, False)] for side in SIDES
        ]
        ends = [tree.longest_below(max(found, key=lambda j: tree.depth[j])) if found else [] for found in middles]
        if all(ends) and not any(f"{side}_{part}" in joints for side in SIDES) and _says_ends(joints):
            joints |= {f"{side}_{part}": chain[0] for side, chain in zip(SIDES, ends, strict=True)}
    if not _says_ends(joints):
        guessed = sides_of(limbs_by_shape(tree, pos_w), [sense.side for sense in senses])
        joints.update({role: j for role, j in guessed.items() if role not in joints})
        if guessed:
            notes.append("no joint's name tells a hand or a foot: placed by the skeleton's shape; check left and right")


def _says_ends(joints: MappingOf[str, int]) -> bool:
    """Whether any hand or foot is known."""
    return any(f"{side}_{part}" in joints for side in SIDES for part in ("wrist", "ankle"))


def _walk_up(joints: dict[str, int], side: str, limb: Sequence[str], tree: Tree, names: Sequence[str]) -> None:
    """Add a limb's other joints to ``joints``, from its end up to the trunk; skip twist joints and very short bones.

    The pieces of a split bone count as one bone, which begins where the first piece does.
    """
    base, middle, end = (f"{side}_{part}" for part in limb[:3])
    other = opposite(end)
    if end not in joints or other not in joints:
        return
    trunk = tree.common_ancestor(joints[end], joints[other])
    above = []
    for j in tree.upwards(joints[end]):
        if j == trunk:
            break
        above.append(j)
    chain = _bones(joints[end], _whole_bones(above, tree, names), tree)
    if len(chain) < 3:  # all pieces of a limb have one name
        chain = _bones(joints[end], [j for j in above if not parse_joint_name(names[j]).auxiliary], tree)
    for role, j in zip((middle, base), chain[1:], strict=False):
        joints.setdefault(role, j)
    if limb is ARM and len(chain) > 3:
        joints.setdefault(f"{side}_clavicle", chain[3])


def _bones(end: int, above: Sequence[int], tree: Tree) -> list[int]:
    """Return ``end`` and the joints above it, without those at the place of the joint before."""
    chain = [end]
    for j in above:
        if tree.distance(chain[-1], j) > tree.smallest_bone:
            chain.append(j)
    return chain


def _whole_bones(above: Sequence[int], tree: Tree, names: Sequence[str]) -> list[int]:
    """Return for each bone of ``above``, lowest first, the joint where it begins; pieces of a bone share a stem.

    Of several joints at that place, as in a robot's hip of three hinges, it is the lowest: it has all of their turns.
    """
    groups: list[list[int]] = []
    for j in above:
        if groups and stem(names[j]) == stem(names[groups[-1][-1]]):
            groups[-1].append(j)
        else:
            groups.append([j])
    groups = [group for group in groups if len(group) > 1 or not parse_joint_name(names[group[0]]).auxiliary]
    return [next(j for j in group if tree.distance(j, group[-1]) < tree.smallest_bone) for group in groups]


def _place_trunk(joints: dict[str, int], tree: Tree, names: Sequence[str]) -> None:
    for role, part in (("pelvis", "hip"), ("chest", "shoulder")):
        pair = [joints.get(f"{side}_{part}") for side in SIDES]
        if role not in joints and pair[0] is not None and pair[1] is not None and pair[0] != pair[1]:
            between = tree.common_ancestor(pair[0], pair[1])
            if between is not None:
                joints[role] = between
    if "chest" not in joints or "pelvis" not in joints:
        return
    pelvis, chest = joints["pelvis"], joints["chest"]
    limbs = {j for role, j in joints.items() if side_of(role)}
    trunk = tree.path(pelvis, chest)
    if len(trunk) > 1:
        joints.setdefault("spine", trunk[1])
    necks = [c for c in tree.children[chest] if not limbs & {c, *tree.below(c)} and tree.reach[c] > 0]
    named = [c for c in necks if any(parse_joint_name(names[j]).part in ("neck", "head") for j in (c, *tree.below(c)))]
    if named or necks:
        chain = _neck_chain(max(named or necks, key=lambda c: tree.reach[c]), tree, names)
        neck = next((j for j in chain if parse_joint_name(names[j]).part == "neck"), chain[0])
        heads = [
            j for j in chain if parse_joint_name(names[j]).part == "head" and not parse_joint_name(names[j]).auxiliary
        ] or chain[1:2]
        joints.setdefault("neck", neck)
        head = joints.setdefault("head", heads[0] if heads else neck)
        beyond = chain[chain.index(head) + 1 :] if head in chain else []
        if beyond:
            joints.setdefault("head_end", beyond[-1] if parse_joint_name(names[beyond[-1]]).auxiliary else beyond[0])


def _neck_chain(first: int, tree: Tree, names: Sequence[str]) -> list[int]:
    """Return the longest chain of joints from ``first`` on that leaves ears and other joints with a side aside."""
    chain = [first]
    while below := [c for c in tree.children[chain[-1]] if not parse_joint_name(names[c]).side]:
        heads = [c for c in below if parse_joint_name(names[c]).part in ("neck", "head")]
        chain.append(max(heads or below, key=lambda c: tree.reach[c] + tree.length[c]))
    return chain


def _place_extremities(joints: dict[str, int], tree: Tree, names: Sequence[str]) -> None:
    """Add toes, fingers and the tail to ``joints``."""
    for side in SIDES:
        for part, tip in (("ankle", "toe"), ("wrist", "finger")):
            end = joints.get(f"{side}_{part}")
            if end is None:
                continue
            below = [c for c in tree.below(end) if tree.distance(c, end) > tree.smallest_bone]
            named = [c for c in below if parse_joint_name(names[c]).part == tip] or [
                c for c in below if tree.parents[c] == end
            ]
            if named:
                nearest_first = min(named, key=lambda c: (tree.depth[c], "thumb" in names[c].lower()))
                joints.setdefault(f"{side}_{tip}", nearest_first)
    tails = [
        j for j, name in enumerate(names) if parse_joint_name(name).part == "tail" and not parse_joint_name(name).side
    ]
    if tails:
        first = min(tails, key=lambda j: tree.depth[j])
        for role, j in zip(("tail", "tail1", "tail_end"), [first, *tree.longest_below(first)], strict=False):
            joints.setdefault(role, j)


def _swap_mistaken_sides(joints: dict[str, int], pos_w: Tensor, notes: list[str]) -> None:
    """Swap left and right in ``joints`` if the feet point backward in at least 80 % of the frames."""
    pos = pos_w[:: max(1, len(pos_w) // 200)]
    if not all(f"{side}_toe" in joints for side in SIDES):
        return
    lateral = pos[:, joints["left_hip"]] - pos[:, joints["right_hip"]]
    up = pos[:, joints["chest"]] - pos[:, joints["pelvis"]]
    up = up + pos[:, joints["left_shoulder"]] + pos[:, joints["right_shoulder"]] - 2 * pos[:, joints["chest"]]
    forward = torch.linalg.cross(lateral, up)
    toes = sum(pos[:, joints[f"{side}_toe"]] - pos[:, joints[f"{side}_ankle"]] for side in SIDES)
    share = float(((forward * toes).sum(-1) > 0).double().mean())
    if share < 0.2:
        notes.append("left and right are swapped in this recording (its feet point backwards): swapped back")
        for role in [role for role in joints if side_of(role) == "left"]:
            twin = opposite(role)
            if twin in joints:
                joints[role], joints[twin] = joints[twin], joints[role]


def _help_out(missing: Sequence[str], joints: MappingOf[str, int], names: Sequence[str]) -> str:
    return (
        f"cannot tell which joints these are: {', '.join(missing)}. Put the lines below into a file, complete them and "
        f"give it with --map FILE.\njoints: {', '.join(names)}\n\n{map_yaml(joints, names)}"
    )
