"""The licence of something made from several clips."""

from collections.abc import Iterable

_UNSTATED = "not stated"


def licence_of_clips(licences: Iterable[str]) -> str:
    """One text that states every licence: that of the clips if they share one, else all of them.

    The combined text begins with no licence's name, so no reader takes the whole for the first of them.

    >>> licence_of_clips(["CC0", "CC0"])
    'CC0'
    >>> licence_of_clips(["CC0", "", "CC BY-NC 4.0"])
    'of several clips: (1) CC0; (2) not stated; (3) CC BY-NC 4.0'
    """
    distinct = list(dict.fromkeys(licences))
    if len(distinct) == 1:
        return distinct[0]
    return "of several clips: " + "; ".join(f"({i}) {text or _UNSTATED}" for i, text in enumerate(distinct, 1))
