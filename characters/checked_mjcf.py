"""Checks an untrusted MJCF before MuJoCo reads it: the files that it names, and the memory and time that it takes.

MuJoCo opens any path that an MJCF names and allocates any size that it states. This module only parses the XML. Every
file must be a regular file below the MJCF's own folder. Elements inside ``<replicate>`` count once for every copy.
"""

import math
import os
import re
import struct
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

import mujoco
import numpy as np

from mimic.core.errors import ConfigError
from mimic.core.files import open_regular, read_file

_MAX_BYTES = 50_000_000  # of all files together
_MAX_DEPTH = 100
_MAX_NAME = 100
_MAX_FILES = 200
_MAX_ELEMENTS = 20_000  # the replicated ones counted as often as they are made
_MAX_BODIES = 500
_MAX_NUMBER = 1e6  # [m, kg, kg·m²] of anything in the compiled model
# elements that make many others, or that read another model
_REFUSED = ("attach", "composite", "deformable", "flex", "flexcomp", "skin")
_FOLDERS = ("meshdir", "texturedir", "assetdir")
# the most that an attribute may ask for; nuser_* count as nuserdata
_MOST = {
    **dict.fromkeys(("nuserdata", "nkey", "nsample", "params", "maxhullvert", "dim"), 1000),
    **dict.fromkeys(("offwidth", "offheight", "resolution", "shadowsize", "numslices", "numstacks", "numquads"), 4096),
    **dict.fromkeys(("njmax", "nconmax"), 100_000),
    **dict.fromkeys(("memory", "nstack"), 1_000_000_000),
}
_MAX_KEYS = 1000
_MAX_PIXELS = 50_000_000  # of all textures and height fields
_CUBE = 6  # sides of a skybox
_SIDES = {"texture": ("width", "height"), "hfield": ("ncol", "nrow")}
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50, "E": 2**60}


def check_mjcf(path: Path) -> tuple[Path, ...]:
    """Check the MJCF at ``path`` and return every file that it reads: itself, its includes, meshes and textures.

    Raises:
        ConfigError: a file is not a regular file below the MJCF's folder, or the model exceeds a limit of this module.
    """
    scan = _Scan(path)
    scan.read(path)
    scan.check_assets()
    return tuple(scan.files)


def check_model(model: mujoco.MjModel, path: Path) -> None:
    """Raise ConfigError if a position, size or mass of a compiled model is not finite or is above 1e6."""
    for field in (
        "body_pos",
        "body_quat",
        "body_mass",
        "body_inertia",
        "geom_pos",
        "geom_size",
        "jnt_pos",
        "jnt_range",
    ):
        values = getattr(model, field)
        odd = ~(np.abs(values) <= _MAX_NUMBER)
        if odd.any():
            kind, index = field.split("_")[0], int(np.argwhere(odd)[0][0])
            name = {"body": model.body, "geom": model.geom, "jnt": model.joint}[kind](index).name or index
            raise ConfigError(f"{path}: {field} of '{name}' is {values[index]}; numbers must be finite and below 1e6")


class _Scan:
    """Scans an MJCF and its includes element by element. Every method raises ConfigError at the first violation."""

    def __init__(self, path: Path) -> None:
        self._path, self._folder = path, path.parent.resolve()
        self.files: list[Path] = []
        self._bytes = 0
        self._counts: dict[str, float] = {}
        self._copies = [1.0]  # how often each open element is made
        self._folders = {""}  # in which an asset may lie
        self._assets: list[str] = []

    def read(self, file: Path) -> None:
        """Scan one file and the files that it includes."""
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = lambda _: self._copies.pop()
        parser.StartDoctypeDeclHandler = lambda *_: self._refuse("a document type (DTD) is not allowed")
        if not self._take(file):
            self._refuse(f"{file.name} is included twice")
        try:
            parser.Parse(read_file(file, _MAX_BYTES, ConfigError), True)
        except expat.ExpatError as error:
            self._refuse(f"{file.name} is not XML ({error})")

    def check_assets(self) -> None:
        """Check every mesh, texture and height field in each folder where MuJoCo may find it."""
        for name in dict.fromkeys(self._assets):
            for folder in sorted(self._folders):
                candidate = self._folder / folder / name
                if os.path.lexists(candidate):
                    self._take(candidate)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        copies = self._copies[-1] * (self._number(attributes.get("count", "1")) if tag == "replicate" else 1.0)
        self._copies.append(copies)
        if tag in _REFUSED or (tag == "model" and "file" in attributes):
            self._refuse(f"<{tag}> is not allowed; a character consists of rigid bodies, each written out")
        self._count("elements", copies, _MAX_ELEMENTS)
        self._count("bodies", copies * (tag == "body"), _MAX_BODIES)
        self._count("keyframes", copies * (tag == "key"), _MAX_KEYS)
        if tag in ("texture", "hfield"):
            wide, high = (self._number(attributes.get(key, "0")) for key in _SIDES[tag])
            self._count("pixels", copies * wide * max(high, _CUBE * wide), _MAX_PIXELS)
        if len(self._copies) > _MAX_DEPTH:
            self._refuse(f"elements are nested more than {_MAX_DEPTH} deep; a character needs fewer levels")
        for key, value in attributes.items():
            self._attribute(tag, key, value)

    def _attribute(self, tag: str, key: str, value: str) -> None:
        if key == "name" and len(value) > _MAX_NAME:
            self._refuse(f"the name {value[:20]!r}... has {len(value)} characters; at most {_MAX_NAME} are allowed")
        if key in _FOLDERS:
            self._folders |= {f"{folder}/{self._plain(value)}".strip("/") for folder in self._folders}
        elif key.startswith("file"):
            name = self._plain(value)
            if tag == "include":
                self._folders.add(str(Path(name).parent))
                self.read(self._folder / name)
            else:
                self._assets.append(name)
        most = _MOST["nuserdata"] if key.startswith("nuser") else _MOST.get(key)
        if tag == "numeric" and key == "size":
            most = _MOST["nuserdata"]
        if most is not None and any(not self._number(word) <= most for word in value.split()):
            self._refuse(f"<{tag} {key}={value[:20]!r}> is too large; at most {most} is allowed")

    def _number(self, word: str) -> float:
        """Parse a number that may end in a unit of memory (K, M, G, ...); return infinity for any other word."""
        match = re.fullmatch(r"([-+.\deE]+)([KMGTPE]?)", word.strip(), re.IGNORECASE)
        try:
            return float(match[1]) * _UNITS[match[2].upper()] if match else math.inf
        except ValueError:
            return math.inf

    def _count(self, what: str, copies: float, most: float) -> None:
        self._counts[what] = self._counts.get(what, 0.0) + copies
        if not self._counts[what] <= most:
            self._refuse(f"the model has more than {most} {what}; a character has fewer")

    def _plain(self, name: str) -> str:
        """Return ``name`` if it is a relative path inside the MJCF's folder; raise ConfigError for any other."""
        if not name or name[0] in "/~" or ".." in name.split("/") or any(sign in name for sign in "\\:\0"):
            self._refuse(f"the MJCF names the file {name[:80]!r}; files must lie in the MJCF's own folder")
        return name

    def _take(self, file: Path) -> bool:
        """Check place, kind and size of a file and add it to ``files``; return False if it was added before."""
        resolved = file.resolve()
        if not resolved.is_relative_to(self._folder) and file != self._path:
            self._refuse(f"{file.name} leads out of the MJCF's own folder")
        if resolved in self.files:
            return False
        with open_regular(file, ConfigError) as content:
            head, size = content.read(24), os.fstat(content.fileno()).st_size
        if head.startswith(b"\x89PNG") and len(head) == 24:
            self._count("pixels", math.prod(struct.unpack(">II", head[16:])), _MAX_PIXELS)
        self._bytes += size
        if self._bytes > _MAX_BYTES or len(self.files) >= _MAX_FILES:
            self._refuse(f"the model reads more than {_MAX_BYTES} bytes or {_MAX_FILES} files; a character needs fewer")
        self.files.append(resolved)
        return True

    def _refuse(self, reason: str) -> NoReturn:
        raise ConfigError(f"{self._path}: {reason}")
