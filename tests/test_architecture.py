"""The arrows of ARCHITECTURE.md, read from the sources: who may import whom, and that the picture is true."""

import re
from graphlib import CycleError, TopologicalSorter

from tests.sources import COMMAND, ROOMS, ROOT, imports, modules

VERBS = "mimic.cli"
ORDER = (*ROOMS, COMMAND)
ENGINES = ("mujoco", "mujoco_warp", "pybullet", "pybullet_data", "mimic.sim", "mimic.tracking")
DRAWING = "mimic.rendering"
MAY_DRAW = ("mimic.cli.run_clip", "mimic.play.path_following", "mimic.cli.doctor", "mimic.gym.tracking")


def _is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _where(module: str, line: int) -> str:
    return f"{modules()[module].relative_to(ROOT)}:{line}"


def test_every_room_has_modules():
    assert {name.split(".")[0] for name in modules()} == set(ORDER)
    assert sum(len(imports(module)) for module in modules()) > 300


def test_rooms_import_only_rooms_to_their_left():
    upward = [
        f"{_where(module, found.line)} imports {found.name}"
        for module in modules()
        for found in imports(module)
        if found.module and ORDER.index(found.module.split(".")[0]) > ORDER.index(module.split(".")[0])
    ]
    assert not upward, "\n".join(upward)


def test_no_cycles_between_modules():
    graph = {module: {found.module for found in imports(module) if found.module} - {module} for module in modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(f"imports go in a circle: {' <- '.join(error.args[1])}") from None


def test_the_learner_knows_no_engine_and_no_task():
    leaks = [
        f"{_where(module, found.line)} imports {found.name}"
        for module in modules()
        if _is_in(module, "mimic.rl")
        for found in imports(module)
        if any(_is_in(found.name, engine) for engine in ENGINES)
    ]
    assert not leaks, "\n".join(leaks)


def test_only_the_job_steering_the_doctor_gymnasium_exports_and_verbs_draw():
    leaks = [
        f"{_where(module, found.line)} imports {found.name}"
        for module in modules()
        if not any(_is_in(module, room) for room in (DRAWING, "mimic.exporting", VERBS)) and module not in MAY_DRAW
        for found in imports(module)
        if _is_in(found.name, DRAWING)
    ]
    assert not leaks, "\n".join(leaks)


def test_only_verbs_export():
    leaks = [
        f"{_where(module, found.line)} imports {found.name}"
        for module in modules()
        if not _is_in(module, "mimic.exporting") and not _is_in(module, VERBS)
        for found in imports(module)
        if _is_in(found.name, "mimic.exporting")
    ]
    assert not leaks, "\n".join(leaks)


def test_only_the_simulation_knows_the_physics_engines():
    """A character builds its own MuJoCo model; pictures, exports and the doctor read one; nobody else steps it."""
    allowed = (
        "characters",
        "mimic.sim",
        "bench.sim",
        "bench.pybullet_engine",
        "bench.retarget_speed",
        "mimic.cli.doctor",
        "mimic.exporting",
        "mimic.gym",
        DRAWING,
    )
    leaks = [
        f"{_where(module, found.line)} imports {found.name}"
        for module in modules()
        if not any(_is_in(module, room) for room in allowed)
        for found in imports(module)
        if found.name.split(".")[0] in ("mujoco", "mujoco_warp", "pybullet")
    ]
    assert not leaks, "\n".join(leaks)


def _picture() -> str:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    fences = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    assert fences, "ARCHITECTURE.md has no picture"
    return fences[0]


def _places(picture: str) -> list[str]:
    """Paths named in a tree drawn by indentation, several to a line, two spaces before what is said of them."""
    places: list[str] = []
    inside: list[tuple[int, str]] = []
    for line in picture.splitlines():
        indent, names = len(line) - len(line.lstrip()), re.split(r"\s{2,}", line.strip())[0].split()
        if not names or not all(name.endswith("/") or "." in name for name in names):
            continue
        while inside and inside[-1][0] >= indent:
            inside.pop()
        base = inside[-1][1] if inside else ""
        places += [base + name for name in names]
        if len(names) == 1 and names[0].endswith("/"):
            inside.append((indent, base + names[0]))
    return places


def test_every_place_in_the_picture_exists_and_every_room_is_in_it():
    places = _places(_picture())
    assert len(places) > 30
    missing = [place for place in places if not (ROOT / place).exists()]
    assert not missing, f"ARCHITECTURE.md names what is not there: {', '.join(missing)}"
    rooms = {f"{path.parent.relative_to(ROOT)}/" for path in modules().values()} - {"./"}
    assert not rooms - set(places), f"not in ARCHITECTURE.md's picture: {', '.join(sorted(rooms - set(places)))}"


def test_every_module_is_in_the_picture_but_for_readers_renderers_and_what_bundles_carry():
    """Rooms of many alike are named as one."""
    picture, alike = _picture(), {"formats", "render", "players"}
    files = [path for path in modules().values() if path.name != "__init__.py" and not alike & {*path.parts}]
    missing = [path.name for path in files if not re.search(rf"(?<![\w.]){re.escape(path.name)}", picture)]
    assert not missing, f"not in ARCHITECTURE.md's picture: {', '.join(missing)}"


def test_every_file_named_in_the_text_exists():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[\w-]+/)+[\w.-]*|[\w-]+(?:/[\w-]+)*\.(?:py|yaml|xml))`", text))
    assert named
    missing = [name for name in sorted(named) if not any((ROOT / base / name).exists() for base in ("", "mimic"))]
    assert not missing, f"ARCHITECTURE.md names what is not there: {', '.join(missing)}"


def test_no_two_test_files_have_one_name():
    """Pytest imports test files by their bare names: two of one name, and nothing is collected."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})
