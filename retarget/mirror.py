"""The left-right mirror image of a motion; kept in ``mocap``, whose catalogue has clips that are mirror images."""

from mocap.mirror import mirror

__all__ = ["mirror"]
