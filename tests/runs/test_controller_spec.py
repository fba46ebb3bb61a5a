import json

import pytest

from mimic.core.errors import CheckpointError, ConfigError
from mimic.runs.controller import SHIPPED_FOLDER, shipped_controllers
from mimic.runs.controller_spec import ControllerSpec
from tests.kinematic_engine import config

RUN = {"algorithm": "ppo", "seed": 3, "clip_license": "MIT"}
POLICY = {"config": {}, "obs_dim": 3, "act_dim": 2}


def stored(**changes) -> dict:
    return {**ControllerSpec("walk", "humanoid", config(), POLICY, **RUN).to_json(), **changes}


@pytest.mark.parametrize("name", shipped_controllers())
def test_the_spec_of_every_shipped_controller_is_written_as_it_was_read(name):
    data = json.loads((SHIPPED_FOLDER / name / "controller.json").read_text())
    spec = ControllerSpec.from_json(data, name)
    found = json.loads(json.dumps(spec.to_json()))
    assert ControllerSpec.from_json(found, name) == spec
    assert found | {"env": None} == data | {"env": None}
    assert set(data["env"]) <= set(found["env"]), "settings that are newer than the controller have their defaults"
    assert not spec.extra and spec.training.samples > 0


def test_a_spec_without_the_optional_keys_is_read_and_gains_none():
    data = {key: stored()[key] for key in ("format", "clip", "character", "env", "policy")}
    spec = ControllerSpec.from_json(data, "old")
    assert (spec.seed, spec.training, spec.begun_with) == (None, None, None)
    assert spec.to_json() == data


def test_keys_of_a_newer_version_are_kept():
    ancestor = {"controller": "a", "policy_sha256": "", "samples": 1, "hours": 0.5, "clip_license": "", "new": [1]}
    data = stored(colour="red", begun_with=ancestor, training={"samples": 5, "hours": 0.1, "gpu": "none"})
    spec = ControllerSpec.from_json(data, "new")
    assert spec.extra == {"colour": "red"} and spec.begun_with.extra == {"new": [1]}
    assert spec.to_json() == data


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip": 3}, "c: controller.clip: expected a word, found 3"),
        ({"seed": "three"}, "c: controller.seed: expected a whole number"),
        ({"training": {"samples": 5}}, "c: controller.training: key 'hours' is missing"),
        ({"begun_with": "walk"}, "c: controller.begun_with: expected"),
    ],
)
def test_a_wrong_value_in_a_spec_is_named(changes, message):
    with pytest.raises(ConfigError) as caught:
        ControllerSpec.from_json(stored(**changes), "c")
    assert str(caught.value).startswith(message)


def test_a_spec_of_another_format_is_refused():
    with pytest.raises(CheckpointError, match="c: format 2, this program reads 1"):
        ControllerSpec.from_json(stored(format=2), "c")
