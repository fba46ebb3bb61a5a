"""Finds the limbs of a skeleton without known joint names by its shape: the legs are the two chains that end lowest."""

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise

import torch
from torch import Tensor

from characters.roles import ARM, LEG, opposite, side_of
from retarget.joint_tree import Tree

_GROUND = 0.15  # of the figure's height: leaves below it are on the ground
_PAW = 0.05  # of a leg's length: a joint so low is the toe


def limbs_by_shape(tree: Tree, pos_w: Tensor) -> dict[str, int]:
    """Return the joints of the limbs by role; empty if the skeleton has no four limbs.

    Two chains of joints are a pair if their bones have equal lengths within 10 %. The legs are the pair that ends lowest.
    The arms are the longest pair that leaves the trunk above the legs. A limb's two longest bones in a row are its
    upper and lower part. The toes are assumed to point forward. If two pairs end on the ground, the body has four legs:
    its forelegs are the arms, and all four joints of each leg are returned.
    """
    height = pos_w[..., 2].mean(0)
    leaves = [j for j, children in enumerate(tree.children) if not children and tree.parents[j] >= 0]
    pairs = [(a, b) for a, b in combinations(leaves, 2) if _alike(tree, a, b)]
    legs = min(pairs, key=lambda p: float(height[p[0]] + height[p[1]]), default=None)
    if legs is None:
        return {}
    floor = float(pos_w[..., 2].quantile(0.01))
    low = floor + _GROUND * (float(pos_w[..., 2].amax(1).median()) - floor)
    grounded = sorted(
        (p for p in pairs if max(float(height[j]) for j in p) < low), key=lambda p: _junction_depth(tree, p)
    )
    grounded = [p for i, p in enumerate(grounded) if not any(set(p) & set(q) for q in grounded[:i])]
    if len(grounded) == 2 and tree.common_ancestor(*grounded[0]) != tree.common_ancestor(*grounded[1]):
        return _four_legs(tree, pos_w, grounded[0], grounded[1], floor)
    pelvis = tree.common_ancestor(*legs)
    used = {j for leaf in legs for j in (leaf, *tree.upwards(leaf))}
    above = [p for p in pairs if not set(p) & used and tree.common_ancestor(*p) not in (pelvis, 0)]
    arms = max(above, key=lambda p: _limb_length(tree, p[0]), default=None)
    chest = None if arms is None else tree.common_ancestor(*arms)
    if arms is None or pelvis is None or chest is None:
        return {}
    ankles, wrists = [_limb_end(tree, leaf, pelvis) for leaf in legs], [_limb_end(tree, leaf, chest) for leaf in arms]
    up = pos_w[:, chest] - pos_w[:, pelvis]
    toes = sum((pos_w[:, leaf] - pos_w[:, ankle] for leaf, ankle in zip(legs, ankles, strict=True)), torch.zeros(3))
    left = torch.linalg.cross(up, toes)
    found: dict[str, int] = {}
    for part, pair in (("ankle", ankles), ("wrist", wrists)):
        found |= _with_sides(part, pair, pos_w, left)
    return found


def sides_of(found: Mapping[str, int], sides: Sequence[str]) -> dict[str, int]:
    """Return the roles with left and right swapped where the names of the joints say so; ``sides`` are theirs."""
    votes = sum(1 if sides[j] == side_of(role) else -1 for role, j in found.items() if sides[j])
    return {opposite(role): j for role, j in found.items()} if votes < 0 else dict(found)


def _with_sides(part: str, pair: Sequence[int], pos_w: Tensor, left: Tensor) -> dict[str, int]:
    a, b = pair
    a_is_left = float((left * (pos_w[:, a] - pos_w[:, b])).sum(-1).mean()) > 0
    return dict(zip((f"left_{part}", f"right_{part}"), (a, b) if a_is_left else (b, a), strict=True))


def _junction_depth(tree: Tree, pair: tuple[int, int]) -> int:
    junction = tree.common_ancestor(*pair)
    return 0 if junction is None else tree.depth[junction]


def _four_legs(tree: Tree, pos_w: Tensor, hind: tuple[int, int], fore: tuple[int, int], floor: float) -> dict[str, int]:
    """Return all joints of four legs, which end in the leaves ``hind`` and ``fore``; ``floor`` is the ground's height."""
    pelvis, chest = tree.common_ancestor(*hind), tree.common_ancestor(*fore)
    if pelvis is None or chest is None:
        return {}
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    left = torch.linalg.cross(up.expand(len(pos_w), 3), pos_w[:, chest] - pos_w[:, pelvis])
    found: dict[str, int] = {}
    for limb, trunk, leaves in ((LEG, pelvis, hind), (ARM, chest, fore)):
        chains = [_leg(tree, pos_w, tree.path(trunk, leaf)[1:], floor) for leaf in leaves]
        for part, *pair in zip(limb, *chains, strict=False):
            found |= _with_sides(part, pair, pos_w, left)
    return found


def _leg(tree: Tree, pos_w: Tensor, chain: list[int], floor: float) -> list[int]:
    """Return hip, knee, ankle and toe of a leg's chain of joints: the toe is the first joint near the ground.

    Of more than three joints above the toe, those beside the shortest bones are left out.
    """
    near = floor + _PAW * sum(tree.length[j] for j in chain)
    lowest = pos_w[..., 2].amin(0)
    at = next((i for i, j in enumerate(chain) if float(lowest[j]) < near and i >= 2), len(chain) - 1)
    above, toe = chain[:at], chain[at]
    while len(above) > 3:
        bones = [tree.distance(a, b) for a, b in pairwise((*above, toe))]
        shortest = min(range(len(bones)), key=lambda i: bones[i])
        above.pop(min(shortest, len(above) - 1))
    return [*above, toe]


def _alike(tree: Tree, a: int, b: int) -> bool:
    """Whether two leaves end chains of at least three bones whose lengths agree within 10 %."""
    top = tree.common_ancestor(a, b)
    if top is None:
        return False
    bones = [[tree.length[j] for j in tree.path(top, leaf)[1:]] for leaf in (a, b)]
    if len(bones[0]) != len(bones[1]) or len(bones[0]) < 3:
        return False
    return all(abs(x - y) <= 0.1 * max(x, y, tree.smallest_bone) for x, y in zip(*bones, strict=True))


def _limb_length(tree: Tree, leaf: int) -> float:
    return sum(sorted((tree.length[j] for j in (leaf, *tree.upwards(leaf))), reverse=True)[:2])


def _limb_end(tree: Tree, leaf: int, trunk: int) -> int:
    """Return the joint at the end of a limb's two longest bones in a row."""
    chain = tree.path(trunk, leaf)[1:]
    ends = list(pairwise(chain))
    return max(ends, key=lambda pair: tree.length[pair[0]] + tree.length[pair[1]])[1]
