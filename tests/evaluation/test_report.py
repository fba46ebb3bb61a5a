import json

import pytest

from mimic.core.errors import ConfigError
from mimic.evaluation.metrics.torque import JointTorque
from mimic.evaluation.report import EvaluationReport, NormalizedReturn, TimeWindow
from mimic.runs.controller import SHIPPED_FOLDER, load_controller, shipped_controllers

REPORT = EvaluationReport(
    clip="walk",
    character="humanoid",
    episodes=2,
    episode_s=20.0,
    normalized_return=NormalizedReturn(0.9, 0.1),
    survival=1.0,
    mean_steps=600.0,
    mean_time_s=20.0,
    metrics={"mpjpe_m": 0.03, "torque_by_joint": {"neck": JointTorque(0.2, 1.0, 0.0)}},
    reward_terms={"pose": 0.8},
    by_time=(TimeWindow(0.0, 10.0, 0.9, 1.0),),
)


def test_metrics_stand_beside_the_other_fields_in_json():
    found = json.loads(json.dumps(REPORT.to_json()))
    assert found["mpjpe_m"] == 0.03 and "metrics" not in found
    assert found["torque_by_joint"] == {"neck": {"mean": 0.2, "peak": 1.0, "at_limit": 0.0}}
    assert found["normalized_return"] == {"mean": 0.9, "std": 0.1}
    assert found["by_time"] == [{"from_s": 0.0, "to_s": 10.0, "normalized_return": 0.9, "survival": 1.0}]


@pytest.mark.parametrize("name", [name for name in shipped_controllers() if not load_controller(name).has_library])
def test_the_stored_report_of_every_shipped_controller_is_written_as_it_was_read(name):
    data = json.loads((SHIPPED_FOLDER / name / "controller.json").read_text())["evaluation"]
    assert json.loads(json.dumps(EvaluationReport.from_json(data, name).to_json())) == data


def test_a_report_without_a_required_field_is_refused():
    data = REPORT.to_json()
    del data["survival"]
    with pytest.raises(ConfigError, match="walk: key 'survival' is missing"):
        EvaluationReport.from_json(data, "walk")
