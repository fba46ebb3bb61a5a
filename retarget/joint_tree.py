"""A skeleton as a tree of joints with bone lengths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

_SAMPLES = 50
_SMALLEST_BONE = 0.02  # of the figure's reach: shorter ones are no segments of a limb


@dataclass(frozen=True)
class Tree:
    """A tree of joints by index.

    ``length`` [m] is that of the bone to the parent; ``reach`` [m] is the length of the longest chain below a joint.
    """

    parents: tuple[int, ...]
    children: tuple[tuple[int, ...], ...]
    depth: tuple[int, ...]
    length: tuple[float, ...]
    reach: tuple[float, ...]
    _sample: Tensor

    @staticmethod
    def of(parents: Sequence[int], pos_w: Tensor) -> Tree:
        """Build the tree from parent indices, parents first, and positions (T, J, 3) [m]."""
        sample = pos_w[:: max(1, len(pos_w) // _SAMPLES)]
        children: list[list[int]] = [[] for _ in parents]
        depth, length = [0] * len(parents), [0.0] * len(parents)
        for j, parent in enumerate(parents):
            if parent >= 0:
                children[parent].append(j)
                depth[j] = depth[parent] + 1
                length[j] = float((sample[:, j] - sample[:, parent]).norm(dim=-1).median())
        reach = [0.0] * len(parents)
        for j in reversed(range(len(parents))):
            reach[j] = max((reach[c] + length[c] for c in children[j]), default=0.0)
        return Tree(tuple(parents), tuple(map(tuple, children)), tuple(depth), tuple(length), tuple(reach), sample)

    @property
    def smallest_bone(self) -> float:
        """Shortest length [m] that counts as a bone."""
        return _SMALLEST_BONE * max(self.reach)

    def upwards(self, joint: int) -> Iterator[int]:
        """Yield the joint's ancestors, from its parent up to the root."""
        while (joint := self.parents[joint]) >= 0:
            yield joint

    def below(self, joint: int) -> list[int]:
        """Return all joints below this one."""
        return [j for child in self.children[joint] for j in (child, *self.below(child))]

    def longest_below(self, joint: int) -> list[int]:
        """Return the longest chain of joints below this joint."""
        chain = []
        while self.children[joint]:
            joint = max(self.children[joint], key=lambda c: self.reach[c] + self.length[c])
            chain.append(joint)
        return chain

    def common_ancestor(self, a: int, b: int) -> int | None:
        """Return the lowest common ancestor of two joints; None if they are in different trees."""
        above = [a, *self.upwards(a)]
        return next((j for j in (b, *self.upwards(b)) if j in above), None)

    def path(self, top: int, bottom: int) -> list[int]:
        """Return the joints from ``top`` down to ``bottom``, both included; empty if ``top`` is no ancestor of it."""
        way = [bottom, *self.upwards(bottom)]
        return way[: way.index(top) + 1][::-1] if top in way else []

    def distance(self, a: int, b: int) -> float:
        """Return the distance [m] between two joints, the median over time."""
        return float((self._sample[:, a] - self._sample[:, b]).norm(dim=-1).median())
