"""The combined licence of a work that is made from several clips."""

from collections.abc import Iterable

_UNSTATED = "not stated"


def licence_of_clips(licences: Iterable[str]) -> str:
    """Return one text that states every licence: the shared licence, or a numbered list of all different ones.

    The list begins with "of several clips", so that no reader takes the first licence for the licence of the whole.

    >>> licence_of_clips(["CC0", "CC0"])
    'CC0'
    >>> licence_of_clips(["CC0", "", "CC BY-NC 4.0"])
    'of several clips: (1) CC0; (2) not stated; (3) CC BY-NC 4.0'
    """
    distinct = list(dict.fromkeys(licences))
    if len(distinct) == 1:
        return distinct[0]
    return "of several clips: " + "; ".join(f"({i}) {text or _UNSTATED}" for i, text in enumerate(distinct, 1))
