"""What is special about a clip as a task: which contacts it may make, how its root is re-synchronised."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from characters.strict_config import build, read_yaml

_TABLE = Path(__file__).with_name("tasks.yaml")


@dataclass(frozen=True)
class TaskConfig:
    """One clip's rules (facts/imitation.md section 6).

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
def task_for(*clips: str) -> TaskConfig:
    """The rules of the clip, by its short name; of several clips those of the first, without a re-synchronised heading."""
    table = read_yaml(_TABLE)
    task = build(TaskConfig, table.get(clips[0], {}), f"{_TABLE.name}: {clips[0]}")
    return replace(task, sync_root_pos=True, sync_root_yaw=False) if len(clips) > 1 else task
