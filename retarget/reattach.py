"""Makes one tree of a recording's joints, as mapping needs it.

In a control rig a foot or a hand hangs under the root, and the limb follows it. The limb's last bone ends where the foot is,
but the foot is not below it. Such a joint is recognised by its motion: the tip of another branch stays with it. The way from
one to the other along the bones is long. The joint is attached to that branch's last bone. Other trees, such as pole targets,
are left out.
"""

import math

from retarget.source import Source

_NEAR, _NEVER_FARTHER = 0.06, 0.15  # of the figure's size: median and greatest distance of a tip from its foot
_FAR = 0.25  # of the figure's size: least way along the bones between a foot and the limb that it is detached from


def one_tree(source: Source) -> Source:
    """Return the recording with detached feet and hands attached to their limbs, and only its largest tree of joints.

    A recording without any parents, such as one of markers, is returned unchanged.
    """
    if max(source.parents) < 0:
        return source
    parents = list(source.parents)
    sample = source.pos_w[:: max(1, len(source) // 60)]
    size = float((sample.amax(1) - sample.amin(1)).norm(dim=-1).median())
    children: list[list[int]] = [[] for _ in parents]
    for j, parent in enumerate(parents):
        if parent >= 0:
            children[parent].append(j)
    tips = [j for j in range(len(parents)) if not children[j] and parents[j] >= 0]
    replaced = []
    lengths = [
        float((sample[:, j] - sample[:, p]).norm(dim=-1).median()) if p >= 0 else 0.0 for j, p in enumerate(parents)
    ]
    for j in range(len(parents)):
        others = [t for t in tips if t not in replaced and _way(parents, lengths, t, j) > _FAR * size]
        gaps = {t: (sample[:, t] - sample[:, j]).norm(dim=-1) for t in others}
        best = min(others, key=lambda t: float(gaps[t].median()), default=None)
        if best is None or j == best or gaps[best].median() > _NEAR * size or gaps[best].amax() > _NEVER_FARTHER * size:
            continue
        if _is_above(parents, j, parents[best]):
            continue
        parents[j] = parents[best]
        replaced.append(best)
    if not replaced and sum(p < 0 for p in parents) == 1:
        return source
    return _largest_tree(source, parents, replaced)


def _root(parents: list[int], joint: int, stop: int) -> int:
    """Return the joint's highest ancestor, or ``stop`` if that is one of its ancestors."""
    while parents[joint] >= 0 and joint != stop:
        joint = parents[joint]
    return joint


def _way(parents: list[int], lengths: list[float], a: int, b: int) -> float:
    """Return the length of the way along the bones between two joints: infinite between trees, 0 if one is above the other."""
    above = _chain(parents, b)
    if a in above or b in _chain(parents, a):
        return 0.0
    meet = next((j for j in _chain(parents, a) if j in above), None)
    if meet is None:
        return math.inf
    ways = [_chain(parents, joint) for joint in (a, b)]
    return sum(lengths[j] for way in ways for j in way[: way.index(meet)])


def _chain(parents: list[int], joint: int) -> list[int]:
    chain = [joint]
    while parents[chain[-1]] >= 0:
        chain.append(parents[chain[-1]])
    return chain


def _is_above(parents: list[int], a: int, b: int) -> bool:
    return _root(parents, b, a) == a


def _largest_tree(source: Source, parents: list[int], without: list[int]) -> Source:
    roots = [_root(parents, j, -1) for j in range(len(parents))]
    main = max(set(roots), key=roots.count)
    depth = [0] * len(parents)
    for j in range(len(parents)):
        at = j
        while parents[at] >= 0:
            at, depth[j] = parents[at], depth[j] + 1
    kept = [
        j for j in sorted(range(len(parents)), key=lambda j: (depth[j], j)) if roots[j] == main and j not in without
    ]
    index = {j: i for i, j in enumerate(kept)}
    return source.picked(kept, [index.get(parents[j], -1) for j in kept])
