"""What is installed is what is needed: data files are packaged, and the lock holds what pyproject.toml asks for."""

import re
import tomllib
from pathlib import PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.sources import ROOT, TOP_LEVEL

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WANTED = [
    Requirement(line)
    for line in sum(PROJECT["project"]["optional-dependencies"].values(), PROJECT["project"]["dependencies"])
]


def locked() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def test_every_data_file_is_packaged():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]
    left_out = [
        str(path.relative_to(ROOT))
        for room in TOP_LEVEL
        for path in sorted((ROOT / room).rglob("*"))
        if path.is_file() and path.suffix not in (".py", ".pyc") and not path.name.startswith(".")
        if not any(_matches(path.relative_to(ROOT / room), pattern) for pattern in patterns.get(room, []))
    ]
    assert not left_out, f"not in [tool.setuptools.package-data]: {', '.join(left_out)}"


def _matches(path: PurePosixPath, pattern: str) -> bool:
    """As setuptools reads a pattern: ``*`` within a folder, ``**`` any folders."""
    parts = [".*" if part == "**" else re.escape(part).replace(r"\*", "[^/]*") for part in pattern.split("/")]
    return re.fullmatch("/".join(parts).replace(".*/", "(?:.*/)?"), path.as_posix()) is not None


def test_the_lock_pins_one_version_each_and_names_no_place():
    for name, requirement in locked().items():
        operators = [(each.operator, "*" in each.version) for each in requirement.specifier]
        assert operators == [("==", False)], f"{name}{requirement.specifier}"
        assert requirement.url is None
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize("wanted", WANTED, ids=lambda requirement: requirement.name)
def test_the_lock_has_what_the_project_asks_for(wanted):
    found = locked()[canonicalize_name(wanted.name)]
    (pin,) = found.specifier
    assert wanted.specifier.contains(Version(pin.version), prereleases=True)
    assert str(found.marker) == str(wanted.marker)
