"""Mends a character's own clip before it is trained on: published clips skate, sink and jump where they loop.

The clip is solved once more towards itself, with its feet held where they stand and the loop closed. That, or the clip
with its loop closed alone, is taken if its report card is better than that of the clip as it was.
"""

from dataclasses import replace
from hashlib import sha256

from characters.character import Character
from mocap.motion import Motion, check_character
from retarget.ground import lift_penetration
from retarget.loop import close_loop
from retarget.pipeline import Options, retarget
from retarget.report import Card, make_card

_KEPT = 8
_mended: dict[str, Motion] = {}  # training, evaluation and film of one process ask for the same clip


def mend(motion: Motion, character: Character) -> Motion:
    """The motion out of the ground and, where its report card does not pass and becomes better, with feet that stand.

    Every frame keeps its time; only how the body gets there differs. Raises ClipError if the motion is not of this
    character.
    """
    check_character(motion, character)
    key = _fingerprint(motion)
    if key not in _mended:
        while len(_mended) >= _KEPT:
            _mended.pop(next(iter(_mended)))
        _mended[key] = _best(motion, character)
    return _mended[key]


def faults(card: Card) -> tuple[int, int]:
    """How many checks of a card fail, and how many do not pass: the smaller, the better."""
    verdicts = [check.verdict for check in card.checks]
    return verdicts.count("fail"), len(verdicts) - verdicts.count("pass")


def _best(motion: Motion, character: Character) -> Motion:
    lifted = lift_penetration(motion, character)
    card = make_card(lifted, character)
    if card.verdict == "pass":
        return lifted
    candidates = [(faults(card), lifted)]
    if motion.loop:
        closed = lift_penetration(close_loop(motion), character)
        candidates.append((faults(make_card(closed, character)), closed))
    solved = retarget(motion, character, Options(repair=True, loop=motion.loop, start=0.0))
    # the solver starts its motions above the origin
    origin = motion.root_pos_w[:1] * motion.root_pos_w.new_tensor([1.0, 1.0, 0.0])
    standing = replace(solved.motion, root_pos_w=solved.motion.root_pos_w + origin)
    candidates.append((faults(make_card(standing, character, solved.targets)), standing))
    best = min(candidates, key=lambda candidate: candidate[0])[1]  # of equals, what changes least
    return replace(best, name=motion.name, source=motion.source, license=motion.license)


def _fingerprint(motion: Motion) -> str:
    content = sha256(f"{motion.name} {motion.character} {motion.loop}".encode())
    for values in (motion.times, motion.root_pos_w, motion.root_quat_w, motion.joint_quat):
        content.update(values.contiguous().numpy().tobytes())
    return content.hexdigest()
