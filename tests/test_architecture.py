"""The arrows of ARCHITECTURE.md, read from the sources: which room imports which, and that the page is true."""

import re
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.sources import ROOT, imports, modules

# bottom to top: a room imports only rooms before it
ROOMS = (
    "mimic.core",
    "characters",
    "mocap",
    "retarget",
    "mimic.gpu",
    "mimic.rl",
    "mimic.gym_tasks",
    "mimic.sim",
    "mimic.tracking",
    "mimic.motion_graph",
    "mimic.evaluation",
    "mimic.runs",
    "mimic.rendering",
    "mimic.play",
    "mimic.analysis",
    "mimic.paper",
    "mimic.gym",
    "mimic.exporting",
    "mimic.public",
    "bench",
    "mimic.cli",
    "mimic",
    "mimic.__main__",
    "run_mimic",
)
PHYSICS = ("mujoco", "mujoco_warp", "pybullet", "pybullet_data")
MAY_SIMULATE = (
    "characters",
    "mimic.sim",
    "mimic.gym_tasks",
    "mimic.exporting",
    "mimic.rendering",
    "mimic.cli.doctor",
    "bench",
)


def room_of(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "mimic" and len(parts) > 1 else parts[0]


def arrows() -> dict[tuple[str, str], list[str]]:
    """(room, imported room) -> the import lines, by file and line."""
    found: dict[tuple[str, str], list[str]] = {}
    for module in modules():
        for line in imports(module):
            if line.module and room_of(line.module) != room_of(module):
                place = f"{modules()[module].relative_to(ROOT)}:{line.line} imports {line.name}"
                found.setdefault((room_of(module), room_of(line.module)), []).append(place)
    return found


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_every_module_lies_in_a_room_and_every_room_has_modules():
    assert {room_of(name) for name in modules()} == set(ROOMS)


def test_no_file_lies_loose_in_mimic():
    assert sorted(path.name for path in (ROOT / "mimic").glob("*.py")) == ["__init__.py", "__main__.py"]


def test_rooms_import_only_rooms_below_them():
    upward = [
        place
        for (room, below), places in arrows().items()
        if ROOMS.index(below) > ROOMS.index(room)
        for place in places
    ]
    assert len(arrows()) > 40
    assert not upward, "\n".join(upward)


def test_modules_do_not_import_each_other_in_a_circle():
    graph = {module: {found.module for found in imports(module) if found.module} - {module} for module in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"imports go in a circle: {' <- '.join(error.args[1])}") from None


@pytest.mark.parametrize(
    ("room", "may_import"),
    [("mimic.core", set()), ("mimic.gpu", {"mimic.core"}), ("mimic.rl", {"mimic.core", "mimic.gpu"})],
)
def test_the_ground_the_gpu_wrappers_and_the_learner_know_no_task(room, may_import):
    assert {below for above, below in arrows() if above == room} <= may_import


def test_only_the_command_line_and_the_public_face_export():
    assert {room for room, below in arrows() if below == "mimic.exporting"} <= {"mimic", "mimic.public", "mimic.cli"}


def test_only_some_rooms_use_physics_engines():
    leaks = [
        f"{modules()[module].relative_to(ROOT)}:{found.line} imports {found.name}"
        for module in modules()
        if not any(is_in(module, place) for place in MAY_SIMULATE)
        for found in imports(module)
        if found.name.split(".")[0] in PHYSICS
    ]
    assert not leaks, "\n".join(leaks)


def test_architecture_md_describes_every_room_and_no_other():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = re.search(r"^\| room \|.*?\n\n", text, re.M | re.S)
    assert table, "ARCHITECTURE.md has no table of rooms"
    named = re.findall(r"^\| `([\w/.]+)` \|", table[0], re.M)
    assert [name.removesuffix(".py").rstrip("/").replace("/", ".") for name in named] == [*reversed(ROOMS)]


def test_every_file_named_in_architecture_md_exists():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[\w-]+/)+[\w.-]*|[\w-]+(?:/[\w-]+)*\.(?:py|yaml|xml))`", text))
    assert named
    missing = [
        name
        for name in sorted(named)
        if "NAME" not in name
        and not any((ROOT / base / name).exists() for base in ("", "mimic", "mimic/cli", "mimic/exporting"))
    ]
    assert not missing, f"ARCHITECTURE.md names files that do not exist: {', '.join(missing)}"


def test_no_two_test_files_have_one_name():
    """Pytest imports test files by their bare names: two of one name, and nothing is collected."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})
