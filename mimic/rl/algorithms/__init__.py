"""Learning algorithms, one file each, found by name.

A file registers the settings of its algorithm, a frozen `LearnerConfig` whose ``create`` makes the learner::

    @ALGORITHMS.register("awr")
    @dataclass(frozen=True)
    class AWRConfig(LearnerConfig): ...
"""

from typing import TYPE_CHECKING

from mimic.core.registry import Registry

if TYPE_CHECKING:
    from mimic.rl.learner import LearnerConfig

ALGORITHMS: "Registry[type[LearnerConfig]]" = Registry("algorithm", "mimic.rl.algorithms", one_per_file=True)
