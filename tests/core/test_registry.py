"""Registries find things by name, lazily, and name the nearest if there is none."""

import sys

import pytest

from mimic.core.errors import ConfigError, InputError
from mimic.core.registry import Registry


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A package ``some_room`` with two files, each registering its own name."""
    folder = tmp_path / "some_room"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from mimic.core.registry import Registry\nTHINGS = Registry('thing', 'some_room', True)\n"
    )
    for name in ("red_one", "blue"):
        (folder / f"{name}.py").write_text(
            f"from some_room import THINGS\n@THINGS.register('{name.replace('_', '-')}')\ndef make(): return '{name}'\n"
        )
    (folder / "_shared.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith("some_room")]:
        del sys.modules[name]


def test_the_files_of_a_room_are_its_names_and_none_is_imported_for_them(room):
    from some_room import THINGS

    assert THINGS.names() == ["blue", "red-one"]
    assert "some_room.blue" not in sys.modules


def test_getting_a_name_imports_its_file_only(room):
    from some_room import THINGS

    assert THINGS.get("red-one")() == "red_one"
    assert "some_room.blue" not in sys.modules


def test_an_unknown_name_is_refused_with_the_nearest(room):
    from some_room import THINGS

    with pytest.raises(InputError, match="no thing 'bleu'; did you mean 'blue'"):
        THINGS.get("bleu")


def test_a_plugin_named_in_the_environment_adds_a_name(room, tmp_path, monkeypatch):
    (tmp_path / "some_plugin.py").write_text("from some_room import THINGS\nTHINGS.register('green')(lambda: 3)\n")
    monkeypatch.setenv("MIMIC_PLUGINS", "some_plugin")
    from some_room import THINGS

    assert THINGS.get("green")() == 3
    sys.modules.pop("some_plugin")


def test_a_plugin_that_is_not_there_is_refused_by_name(room, monkeypatch):
    monkeypatch.setenv("MIMIC_PLUGINS", "no_such_plugin_anywhere")
    from some_room import THINGS

    with pytest.raises(InputError, match="no_such_plugin_anywhere"):
        THINGS.names()


def test_two_things_of_one_name_are_refused():
    things: Registry[object] = Registry("thing")
    things.register("a")(test_two_things_of_one_name_are_refused)
    with pytest.raises(ConfigError, match="two things are called 'a'"):
        things.register("a")(room)
