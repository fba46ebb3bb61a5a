"""Finds the limbs of a skeleton without known joint names by its shape: the legs are the two chains that end lowest."""

from itertools import combinations, pairwise

import torch
from torch import Tensor

from retarget.joint_tree import Tree


def limbs_by_shape(tree: Tree, pos_w: Tensor) -> dict[str, int]:
    """Return the joints of ankles and wrists by role; empty if the skeleton has no four limbs.

    Two chains of joints are a pair if their bones have equal lengths within 10 %. The legs are the pair that ends lowest.
    The arms are the longest pair that leaves the trunk above the legs. A limb's two longest bones in a row are its
    upper and lower part. The toes are assumed to point forward.
    """
    height = pos_w[..., 2].mean(0)
    leaves = [j for j, children in enumerate(tree.children) if not children]
    pairs = [(a, b) for a, b in combinations(leaves, 2) if _alike(tree, a, b)]
    legs = min(pairs, key=lambda p: float(height[p[0]] + height[p[1]]), default=None)
    if legs is None:
        return {}
    pelvis = tree.common_ancestor(*legs)
    used = {j for leaf in legs for j in (leaf, *tree.upwards(leaf))}
    above = [p for p in pairs if not set(p) & used and tree.common_ancestor(*p) not in (pelvis, 0)]
    arms = max(above, key=lambda p: _limb_length(tree, p[0]), default=None)
    if arms is None:
        return {}
    ankles, wrists = (
        [_limb_end(tree, leaf, pelvis) for leaf in legs],
        [_limb_end(tree, leaf, tree.common_ancestor(*arms)) for leaf in arms],
    )
    up = pos_w[:, tree.common_ancestor(*arms)] - pos_w[:, pelvis]
    toes = sum((pos_w[:, leaf] - pos_w[:, ankle] for leaf, ankle in zip(legs, ankles, strict=True)), torch.zeros(3))
    left = torch.linalg.cross(up, toes)
    found = {}
    for part, (a, b) in (("ankle", ankles), ("wrist", wrists)):
        a_is_left = float((left * (pos_w[:, a] - pos_w[:, b])).sum(-1).mean()) > 0
        found[f"left_{part}"], found[f"right_{part}"] = (a, b) if a_is_left else (b, a)
    return found


def _alike(tree: Tree, a: int, b: int) -> bool:
    """Whether two leaves end chains of at least three bones whose lengths agree within 10 %."""
    top = tree.common_ancestor(a, b)
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
