"""Registries find the parts of a run (engine, algorithm, task, reward term, ...) by their names.

Each registry has a *room*: a package whose modules register the classes or functions that they define. A new engine or
algorithm is therefore one new file in its room. Code outside mimic registers in the same way. The command line imports
such a module if ``MIMIC_PLUGINS`` (names separated by commas) or the entry point ``mimic.plugins`` names the module.

A room is imported when its registry is first asked, so this module imports neither torch nor MuJoCo.
"""

import importlib
import importlib.metadata
import importlib.util
import os
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from mimic.core.errors import ConfigError, InputError, nearest

T = TypeVar("T")
ENTRY_POINTS = "mimic.plugins"
VARIABLE = "MIMIC_PLUGINS"
_imported_plugins: set[str] = set()


class Registry(Generic[T]):
    """Registered objects of one kind, found by name.

    Args:
        kind: the kind in error messages, such as "engine" or "reward term".
        room: dotted name of the package whose modules register the objects; "" if only plugins register some.
        one_per_file: whether each module of the room registers exactly one object, under the module's own name.
            ``names`` then imports no module. A module whose name begins with an underscore registers nothing.
    """

    def __init__(self, kind: str, room: str = "", one_per_file: bool = False) -> None:
        self.kind, self.room, self.one_per_file = kind, room, one_per_file
        self._found: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers an object under ``name``. It raises ConfigError if the name is taken."""

        def file(thing: T) -> T:
            other = self._found.get(name)
            if other is not None and _origin(other) != _origin(thing):
                raise ConfigError(
                    f"two {self.kind}s are called '{name}': {_origin(other)} and {_origin(thing)}; rename one of them"
                )
            self._found[name] = thing
            return thing

        return file

    def names(self) -> list[str]:
        """Return all registered names, sorted."""
        import_plugins()
        if not self.one_per_file:
            self._import_room()
        return sorted({*self._found, *(self._files() if self.one_per_file else ())})

    def get(self, name: str) -> T:
        """Return the object registered as ``name``. An unknown name raises ConfigError with the nearest names."""
        if name not in self._found:
            if not self.one_per_file:
                self._import_room()
            elif name in self._files():
                importlib.import_module(f"{self.room}.{_file_of(name)}")
            if name not in self._found:
                import_plugins()
        if name not in self._found:
            raise ConfigError(f"no {self.kind} '{name}'; {nearest(name, self.names())}")
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _files(self) -> list[str]:
        """Return the names of the room's modules without importing any module."""
        spec = importlib.util.find_spec(self.room) if self.room else None
        places = list(spec.submodule_search_locations or []) if spec else []
        return [m.name.replace("_", "-") for m in pkgutil.iter_modules(places) if not m.name.startswith("_")]

    def _import_room(self) -> None:
        for name in self._files():
            importlib.import_module(f"{self.room}.{_file_of(name)}")


def import_plugins() -> None:
    """Import each module that ``MIMIC_PLUGINS`` or an installed package names, once.

    Raises InputError if a module cannot be imported.
    """
    wanted = [name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip()]
    wanted += [point.value for point in importlib.metadata.entry_points(group=ENTRY_POINTS)]
    for name in wanted:
        if name not in _imported_plugins:
            _imported_plugins.add(name)
            try:
                importlib.import_module(name)
            except ImportError as error:
                raise InputError(
                    f"plugin '{name}' cannot be imported ({error}); correct its name in {VARIABLE}, or reinstall the package "
                    f"whose entry point {ENTRY_POINTS} names the plugin"
                ) from None


def _file_of(name: str) -> str:
    return name.replace("-", "_")


def _origin(thing: object) -> str:
    return f"{getattr(thing, '__module__', '?')}.{getattr(thing, '__qualname__', thing)}"
