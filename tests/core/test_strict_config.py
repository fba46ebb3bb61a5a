import re
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from characters.character import CharacterConfig, load_character
from characters.roles import ROLES
from mimic.core.errors import ConfigError
from mimic.core.strict_config import build, parse_yaml, read_yaml, replace, to_dict
from mimic.runs.preset import Preset, load_preset, preset_from
from mimic.tracking.reward import TERMS, Reward

CONFIGS = [
    *((load_character(name).model_path.with_suffix(".yaml"), CharacterConfig) for name in ("humanoid", "dog")),
    *((Path(f"mimic/presets/{name}.yaml").absolute(), Preset) for name in ("fast", "paper")),
]
NAMES = {joint.name for name in ("humanoid", "dog") for joint in load_character(name).joints}
NAMES |= {*TERMS, *ROLES}


@dataclass(frozen=True)
class Wheel:
    radius: float
    spokes: int = 12

    def __post_init__(self) -> None:
        if self.radius <= 0:
            raise ValueError("radius must be above 0")


@dataclass(frozen=True)
class Car:
    name: str
    wheels: dict[str, Wheel] = field(default_factory=dict)
    colour: Literal["red", "blue"] = "red"
    size: tuple[float, float] = (1.0, 2.0)
    tags: tuple[str, ...] = ()
    tow_bar: float | None = None
    electric: bool = False


def car(text: str) -> Car:
    return build(Car, parse_yaml(text, "car.yaml"), "car.yaml")


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        car(text)
    message = str(caught.value)
    assert message.startswith("car.yaml") and "\n" not in message
    return message


def test_every_value_gets_the_type_of_its_field():
    found = car(
        "{name: bug, wheels: {front: {radius: 1}}, colour: blue, size: [1, 2.5], tags: [a, no], tow_bar: null, electric: true}"
    )
    assert found == Car("bug", {"front": Wheel(1.0)}, "blue", (1.0, 2.5), ("a", "no"), None, True)
    assert isinstance(found.wheels["front"].radius, float)
    assert build(Car, to_dict(found), "back") == found


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("-1E+3", -1000.0), (".5", 0.5), ("5.", 5.0), ("+7", 7.0), ("0", 0.0), ("010", 10.0), ("3", 3.0)],
)
def test_numbers_are_those_of_yaml_1_2(text, value):
    assert car(f"name: bug\ntow_bar: {text}").tow_bar == value


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "2001-01-01", "1:30", "0x10", "1_000", "=", "<<", ".NAN"])
def test_words_that_yaml_1_1_converts_stay_words(word):
    assert car(f"name: {word}").name == word


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("nam: bug", "unknown key 'nam'; did you mean 'name'?"),
        (
            "name: bug\nwheels: {front: {radus: 1}}",
            "car.yaml.wheels.front: unknown key 'radus'; did you mean 'radius'?",
        ),
        ("colour: red", "key 'name' is missing"),
        ("name: bug\ncolour: green", "'green' is not valid; "),
        ("name: bug\ncolour: blu", "did you mean 'blue'"),
        ("name: 3", "expected a word, found 3"),
        ("name: null", "expected a word, found None"),
        ("name: [bug]", "expected a word"),
        ("name: bug\nelectric: yes", "expected true or false, found 'yes'"),
        ("name: bug\nelectric: 1", "expected true or false, found 1"),
        ("name: bug\ntow_bar: big", "expected a number, found 'big'"),
        ("name: bug\ntow_bar: true", "expected a number, found True"),
        ("name: bug\ntow_bar: .nan", "expected a finite number"),
        ("name: bug\ntow_bar: -.inf", "expected a finite number"),
        ("name: bug\ntow_bar: 1e999", "expected a finite number"),
        ("name: bug\ntow_bar: 1" + "0" * 400, "expected a finite number"),
        ("name: bug\nsize: [1]", "expected 2 values, found 1"),
        ("name: bug\nsize: 1", "car.yaml.size"),
        ("name: bug\ntags: word", "car.yaml.tags"),
        ("name: bug\nsize: [1, x]", "car.yaml.size[1]: expected a number"),
        ("name: bug\nwheels: {front: {radius: 1, spokes: 2.0}}", "spokes: expected a whole number, found 2.0"),
        ("name: bug\nwheels: {front: {radius: 1, spokes: 010}}", "expected a whole number"),
        ("name: bug\nwheels: {front: {radius: -1}}", "radius must be above 0"),
        ("name: bug\nwheels: {front: 3}", "expected 'key: value' lines"),
        ("name: bug\nname: beetle", "line 2: key 'name' appears twice"),
        ("name: &n bug\ntags: [*n]", "aliases"),
        ("<<: {name: bug}", "unknown key '<<'"),
        ("1: bug", "key 1 is not text"),
        ("[a]: bug", "is not text"),
        ("true: bug", "is not text"),
        ("- name", "expected 'key: value' lines"),
        ("name: bug\n---\nname: beetle", "another document"),
        ("name: [", "not valid YAML"),
        ("name:\tbug\n\tcolour: red", "not valid YAML"),
        ("name: \x00", "not valid YAML"),
        ("name: '\ud800'", "not valid YAML"),
        ("name: !!python/object/apply:os.system [ls]", "tags"),
        ("name: !!bool perhaps", "tags"),
        ("name: !!timestamp perhaps", "tags"),
        ('tow_bar: !!int ""', "tags"),
        ("[" * 5000, "nested at most"),
        ("{a: " * 5000, "nested at most"),
        ("name: " + "1" * 5000, "not valid YAML"),
        ("#" * 1_000_001, "at most 1000000 characters"),
    ],
)
def test_a_mistake_is_named_in_one_line(text, part):
    assert part in refusal(text)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"", b"- 1\n", b"word\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, data):
    path = tmp_path / "broken.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=re.escape(str(path))):
        read_yaml(path)
    with pytest.raises(ConfigError, match="not a regular file"):
        read_yaml(tmp_path)


def test_replace_sets_one_value_and_leaves_the_rest():
    start = Car("bug", {"front": Wheel(1.0), "back": Wheel(2.0)})
    assert replace(start, "wheels.front.radius", "1e-1") == Car("bug", {"front": Wheel(0.1), "back": Wheel(2.0)})
    assert replace(start, "wheels.front", "{radius: 3}").wheels["front"] == Wheel(3.0)
    assert replace(start, "size", "[3, 4]").size == (3.0, 4.0)
    assert replace(start, "tow_bar", "null").tow_bar is None
    assert start == Car("bug", {"front": Wheel(1.0), "back": Wheel(2.0)})


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("colr", "red", "did you mean 'colour'?"),
        ("wheels.frnt.radius", "1", "did you mean 'front'?"),
        ("wheels.front.radios", "1", "did you mean 'radius'?"),
        ("wheels.front.radius", "-1", "radius must be above 0"),
        ("wheels.front.radius", "[", "not valid YAML"),
        ("wheels.front.radius", "wide", "expected a number, found 'wide'"),
        ("colour.hue", "1", "holds a single value"),
        ("name", "", "expected a word"),
        ("", "1", "unknown key ''"),
        ("wheels..radius", "1", "unknown key ''"),
    ],
)
def test_replace_refuses_what_build_would(key, value, part):
    with pytest.raises(ConfigError) as caught:
        replace(Car("bug", {"front": Wheel(1.0)}), key, value)
    assert part in str(caught.value) and f"--set {key}" in str(caught.value)


def leaves(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path] * (not isinstance(data, (dict, list))) + [p for k, v in items for p in leaves(v, (*path, k))]


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of nested dicts and lists with another value at ``path``."""
    head, *rest = path
    new = changed(data[head], tuple(rest), value) if rest else value
    return {**data, head: new} if isinstance(data, dict) else [*data[:head], new, *data[head + 1 :]]


@pytest.mark.parametrize(("path", "cls"), CONFIGS, ids=lambda p: p.stem if isinstance(p, Path) else "")
def test_every_value_of_the_files_that_ship_is_checked(path, cls):
    data = read_yaml(path)
    spoilt = 0
    for leaf in leaves(data):
        value = data
        for key in leaf:
            value = value[key]
        wrong = {str: 3, bool: 3, int: "three", float: "three", type(None): "three"}[type(value)]
        for bad in (wrong, [value], {"x": value}):
            with pytest.raises(ConfigError):
                build(cls, changed(data, leaf, bad), "spoilt")
            spoilt += 1
    assert spoilt > 100


def use(cls: type, path: Path, text: str, folder: Path) -> None:
    """Load the whole text as the program would; a character's file needs its model beside it."""
    file = folder / "copy" / path.name
    if not file.exists():
        shutil.copytree(path.parent, file.parent)
        shutil.copy("characters/scene.xml", folder)
    file.write_text(text)
    if cls is CharacterConfig:
        load_character.__wrapped__(str(file))
    else:
        Reward(load_preset(str(file)).env.reward)


@pytest.mark.parametrize(("path", "cls"), CONFIGS, ids=lambda p: p.stem if isinstance(p, Path) else "")
def test_spoilt_text_is_refused_or_means_the_same(path, cls, tmp_path):
    text = path.read_text()
    read = preset_from if cls is Preset else partial(build, cls)
    meant = read(read_yaml(path), "whole")
    lines = text.splitlines()
    refused = 0
    for number, line in enumerate(lines):
        key = re.match(r"( *)([a-z_0-9]+):", line)
        if not key:
            continue
        spoilt = {
            "misspelt": line.replace(key[2], key[2] + "x", 1),
            "twice": line + "\n" + line,
            "tab": "\t" + line,
            "no colon": line.replace(":", "", 1),
            "quote": line.replace(":", ': "', 1),
            "tag": line.replace(": ", ": !!str ", 1) if ": " in line else line.replace(":", ": !!str", 1),
            "bracket": line + "\n]",
            "alias": line.replace(":", ": *x", 1),
        }
        # every key misspelt and repeated; the other mistakes take turns
        turn = list(spoilt)[2 + number % 6]
        for mistake, new in ((m, spoilt[m]) for m in ("misspelt", "twice", turn)):
            broken = "\n".join([*lines[:number], new, *lines[number + 1 :]])
            try:
                read(parse_yaml(broken, "spoilt"), mistake)
            except ConfigError:
                refused += 1
                continue
            # names of joints and terms are known to those who look them up
            assert mistake == "misspelt" and key[2] in NAMES, (mistake, line)
            with pytest.raises(ConfigError):
                use(cls, path, broken, tmp_path)
            refused += 1
    assert refused > 80
    for same in (
        "\n".join(f"{line}  # why" if line.strip() else "# why" for line in lines),
        text.replace("\n", "\r\n"),
    ):
        assert read(parse_yaml(same, "same"), "same") == meant


def test_presets_with_other_spellings_of_numbers_are_the_same():
    preset = load_preset("fast")
    assert replace(preset, "env.termination.contact_height", "1e-3") == preset
    assert replace(preset, "trainer.evaluate_every", "500000") == preset
    assert replace(preset, "policy.obs_clip", "8") == preset
