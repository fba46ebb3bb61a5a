"""The user's cache: files that the program can download or compute again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return ``$MIMIC_CACHE``, else ``mimic`` in ``$XDG_CACHE_HOME``, else ``~/.cache/mimic``. It may not exist."""
    name = os.environ.get("MIMIC_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "mimic")
    # os.path's expanduser, unlike pathlib's, does not raise where there is no home
    return Path(os.path.expanduser(name))
