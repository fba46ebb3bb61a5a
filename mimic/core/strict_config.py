"""Read YAML into frozen dataclasses; a misspelt key is an error.

Three traps of PyYAML are removed. In PyYAML ``1e-3`` is a string, the last of repeated keys wins, and ``no`` is False.
"""

import dataclasses
import math
import re
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml

from mimic.core.errors import ConfigError, nearest
from mimic.core.files import read_file

T = TypeVar("T")

_FLOAT = re.compile(r"^[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN)$")
_MAX_BYTES = 1_000_000
_MAX_DEPTH = 32
_MAX_KEY = 200  # characters


class _Loader(yaml.SafeLoader):
    """A SafeLoader that refuses repeated keys, aliases and tags, and reads numbers and booleans as YAML 1.2 does."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ConfigError("aliases (*name) are not allowed; write the value out")
        if tag := getattr(self.peek_event(), "tag", None):  # type: ignore[no-untyped-call]
            raise ConfigError(f"tags ({tag}) are not allowed; leave the tag out")
        self._depth = getattr(self, "_depth", 0) + 1
        if self._depth > _MAX_DEPTH:
            raise ConfigError(f"values may be nested at most {_MAX_DEPTH} deep")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise ConfigError(f"line {key_node.start_mark.line + 1}: key {key!r} is not text; put it in quotes")
            if len(key) > _MAX_KEY:
                raise ConfigError(
                    f"line {key_node.start_mark.line + 1}: a key has {len(key)} characters, at most {_MAX_KEY}"
                )
            if key in seen:
                raise ConfigError(f"line {key_node.start_mark.line + 1}: key '{key}' appears twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
# PyYAML would read 010 as octal 8; without a match here it is the number 10.0, which is no whole number
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9]\d*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def parse_yaml(text: str, where: str) -> Any:
    """Parse YAML text without running code; ``where`` names the text in errors. Raises ConfigError."""
    if len(text) > _MAX_BYTES:
        raise ConfigError(f"{where}: a configuration may have at most {_MAX_BYTES} characters, found {len(text)}")
    try:
        return _Loader(text).get_single_data()
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ConfigError(f"{where}:{line} not valid YAML ({problem})") from None


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping. Raises ConfigError."""
    path = Path(path)
    try:
        text = read_file(path, 4 * _MAX_BYTES, ConfigError).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from None
    data = parse_yaml(text, str(path))
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected 'key: value' lines at the top level")
    return data


def build(cls: type[T], mapping: Any, where: str) -> T:
    """Make an instance of the dataclass ``cls`` from a mapping, checking every key and type.

    Fields may be nested dataclasses, ``X | None``, ``tuple[X, ...]``, ``dict[str, X]`` or ``Literal``. An int is
    accepted for a float; nothing else is converted. A class with a classmethod ``from_config(value, where)`` is made by
    that method. Raises ConfigError naming ``where`` and the key.
    """
    return typing.cast(T, _convert(cls, mapping, where))


def replace(config: T, key: str, text: str) -> T:
    """Return a copy of ``config`` with the dotted ``key`` set to the YAML value ``text``.

    ``--set learn.lr=1e-4`` does this with the key "learn.lr" and the text "1e-4". Raises ConfigError.
    """
    value = parse_yaml(text, f"--set {key}")
    return _replace_path(config, key.split("."), value, f"--set {key}")


def to_dict(config: Any) -> Any:
    """Convert a dataclass to plain dicts, lists and numbers for JSON or YAML; ``build`` reads the result back.

    A class with a method ``to_config()`` is converted by that method.
    """
    if hasattr(config, "to_config"):
        return config.to_config()
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {f.name: to_dict(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, (tuple, list)):
        return [to_dict(item) for item in config]
    if isinstance(config, dict):
        return {key: to_dict(value) for key, value in config.items()}
    return config


def _replace_path(config: Any, keys: list[str], value: Any, where: str) -> Any:
    head, *rest = keys
    if isinstance(config, dict):
        if head not in config:
            raise ConfigError(f"{where}: unknown key '{head}'; {nearest(head, config)}")
        inner = config[head]
        new = _replace_path(inner, rest, value, where) if rest else _convert(type(inner), value, where)
        return {**config, head: new}
    if not dataclasses.is_dataclass(config):
        raise ConfigError(f"{where}: there is no key '{head}', because the key before it holds a single value")
    names = [f.name for f in dataclasses.fields(config)]
    if head not in names:
        raise ConfigError(f"{where}: unknown key '{head}'; {nearest(head, names)}")
    hint = typing.get_type_hints(type(config))[head]
    new = _replace_path(getattr(config, head), rest, value, where) if rest else _convert(hint, value, where)
    try:
        return dataclasses.replace(config, **{head: new})  # type: ignore[type-var]
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Return ``value`` as the type ``hint``. Raises ConfigError naming ``where`` if the type differs."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if origin is typing.Literal:
        if value not in args:
            raise ConfigError(f"{where}: {value!r} is not valid; {nearest(str(value), map(str, args))}")
        return value
    if hasattr(hint, "from_config"):
        return hint.from_config(value, where)
    if dataclasses.is_dataclass(hint):
        return _build_dataclass(typing.cast(type, hint), value, where)
    if origin is tuple and isinstance(value, (list, tuple)):
        inner = [args[0]] * len(value) if len(args) == 2 and args[1] is Ellipsis else list(args)
        if len(inner) != len(value):
            raise ConfigError(f"{where}: expected {len(inner)} values, found {len(value)}")
        return tuple(_convert(a, item, f"{where}[{i}]") for i, (a, item) in enumerate(zip(inner, value, strict=True)))
    if origin is dict and isinstance(value, dict):
        return {key: _convert(args[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _finite(value, where)
    plain = origin or hint
    if isinstance(plain, type) and isinstance(value, plain) and not (plain is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"{where}: expected {_name(hint)}, found {value!r}")


def _finite(value: float, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ConfigError(f"{where}: expected a finite number, found {number}")
    return number


def _build_dataclass(cls: type, mapping: Any, where: str) -> Any:
    if not isinstance(mapping, dict):
        keys = ", ".join(f.name for f in dataclasses.fields(cls))
        raise ConfigError(f"{where}: expected 'key: value' lines ({keys}), found {mapping!r}")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    for key in mapping:
        if key not in fields:
            raise ConfigError(f"{where}: unknown key '{key}'; {nearest(str(key), fields)}")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in mapping:
            raise ConfigError(f"{where}: key '{name}' is missing")
    try:
        return cls(**{key: _convert(hints[key], value, f"{where}.{key}") for key, value in mapping.items()})
    except ValueError as error:  # a dataclass may check its own values in __post_init__
        raise ConfigError(f"{where}: {error}") from None


def _name(hint: Any) -> str:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
    return names.get(hint, str(hint))
