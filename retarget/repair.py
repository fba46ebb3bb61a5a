"""Repairs a character's own clip before training: in published clips feet slide, sink and jump where the clip loops.

One candidate is the clip retargeted to its own character, with standing feet held and the loop closed. Another only has
its loop closed.
A candidate replaces the clip if its quality report is better and no further check fails. While a check still fails, the
result is retargeted to itself again, and then more smoothly.
"""

from collections.abc import Iterator
from dataclasses import replace

from characters.character import Character
from mocap.editing import close_loop
from mocap.motion import Motion, check_character
from retarget.ground import lift_penetration
from retarget.pipeline import Options, resolve_closed_loop, retarget
from retarget.quality_report import QualityReport, make_quality_report
from retarget.repair_cache import cached, fingerprint
from retarget.retarget_rig import has_needed_roles
from retarget.solver import SolverConfig

_SMOOTHER = (0.05, 0.15, 0.6)  # smooth_turn [m/rad]
_PASSES = 3


def repair(motion: Motion, character: Character) -> Motion:
    """Lift a motion out of the ground; if its quality report does not pass, also hold its standing feet and close its loop.

    Every frame keeps its time; only poses change. Raises ClipError if the motion belongs to another character.
    """
    check_character(motion, character)
    best = cached(fingerprint(motion, character), lambda: _best(motion, character))
    return replace(best, name=motion.name, source=motion.source, license=motion.license)


def fault_counts(card: QualityReport) -> tuple[int, int]:
    """Return the numbers of failed checks and of checks that do not pass; smaller is better."""
    verdicts = [check.verdict for check in card.checks]
    return verdicts.count("fail"), len(verdicts) - verdicts.count("pass")


def _best(motion: Motion, character: Character) -> Motion:
    best = lift_penetration(motion, character)
    if not has_needed_roles(character):
        return best
    card = as_it_was = make_quality_report(best, character)
    if card.verdict == "pass":
        return best
    for candidates in (_candidates, _resolved_candidates):
        for candidate in candidates(motion, character):
            other = make_quality_report(candidate, character)
            if fault_counts(other) < fault_counts(card) and not _failing(other) - _failing(as_it_was):
                best, card = candidate, other
        if card.verdict != "fail":
            break
    return best


def _candidates(motion: Motion, character: Character) -> Iterator[Motion]:
    """Yield candidates for a better clip: first the clip with its loop closed, then the clip solved anew."""
    if motion.loop:
        yield lift_penetration(close_loop(motion), character)
    yield _solved(motion, character, SolverConfig())


def _resolved_candidates(motion: Motion, character: Character) -> Iterator[Motion]:
    """Yield candidates that are solved up to three times in a row, with ever more smoothing."""
    for smooth in _SMOOTHER:
        settings, candidate = SolverConfig(smooth_turn=smooth), motion
        for _ in range(_PASSES):
            again = resolve_closed_loop if motion.loop else _solved
            candidate = again(candidate, character, settings)
            yield candidate


def _solved(motion: Motion, character: Character, settings: SolverConfig) -> Motion:
    options = Options(repair=True, loop=motion.loop, start=0.0)
    solved = retarget(motion, character, options, settings=settings).motion
    # the solver starts its motions above the origin
    origin = motion.root_pos_w[:1] * motion.root_pos_w.new_tensor([1.0, 1.0, 0.0])
    return replace(solved, root_pos_w=solved.root_pos_w + origin)


def _failing(card: QualityReport) -> set[str]:
    return {check.name for check in card.checks if check.verdict == "fail"}
