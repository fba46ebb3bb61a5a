"""Retargets all takes of a file, or those that match a pattern, one after the other."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from mimic.core.errors import ClipError, InputError, nearest
from mocap.conventions import NO_OPTIONS, ReadOptions
from mocap.formats import take_names
from retarget.pipeline import Options
from retarget.retarget_file import RetargetResult, retarget_file


@dataclass(frozen=True, eq=False)
class Take:
    """One take of a file: its result, or the reason (one line) why it was refused; exactly one of them is None."""

    name: str
    result: RetargetResult | None
    refused: str | None

    @property
    def verdict(self) -> str:
        """The report's verdict, or "refused"."""
        return "refused" if self.result is None else self.result.report.verdict

    def to_json(self) -> dict[str, Any]:
        """Return the quality report's fields, or the reason of a refusal."""
        if self.result is None:
            return {"verdict": self.verdict, "reason": self.refused}
        return self.result.report.to_json()


def is_pattern(take: str | None) -> bool:
    """Whether ``take`` asks for several takes: "all", or a pattern with * or ?."""
    return take is not None and (take == "all" or any(sign in take for sign in "*?"))


def matching_takes(file: Path, pattern: str) -> tuple[str, ...]:
    """Return the names of a file's takes that match a pattern; "all" matches each. Raises ClipError if none does."""
    names = take_names(file)
    found = names if pattern == "all" else tuple(name for name in names if fnmatchcase(name, pattern))
    if not found:
        known = nearest(pattern, names) if names else "files of this format have one take; leave --take out"
        raise ClipError(f"{file}: no take matches '{pattern}'; {known}")
    return found


def retarget_takes(
    file: Path,
    character: str,
    folder: Path,
    options: Options,
    reading: ReadOptions = NO_OPTIONS,
    map_file: Path | None = None,
    done: Callable[[Take], None] = lambda take: None,
) -> list[Take]:
    """Retarget the takes of a file that ``reading.take`` asks for; ``done`` is called after each.

    A take that cannot be used is refused with a reason, and the others go on. Raises ClipError if no take matches.
    """
    takes = []
    for name in matching_takes(file, reading.take or "all"):
        try:
            result = retarget_file(
                file, character, folder / f"{file_name(name)}.npz", options, replace(reading, take=name), map_file, name
            )
            take = Take(name, result, None)
        except InputError as error:
            take = Take(name, None, str(error).splitlines()[0])
        takes.append(take)
        done(take)
    return takes


def file_name(take: str) -> str:
    """Return a take's name with every character that may not be in a file's name replaced by _."""
    name = "".join(c if c.isalnum() or c in "-_. " else "_" for c in take).strip(". ")
    return name or "take"
