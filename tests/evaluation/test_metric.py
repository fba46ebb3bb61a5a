import pytest
import torch

from mimic.core.errors import ConfigError
from mimic.evaluation.evaluate import evaluate
from mimic.evaluation.metric import METRICS, Mean, Metric, make_metrics
from tests.kinematic_engine import config, gentle_motion, make


@pytest.fixture
def metrics(monkeypatch):
    """The registry of metrics; whatever the test registers is removed again."""
    METRICS.names()
    monkeypatch.setattr(METRICS, "_found", dict(METRICS._found))
    return METRICS


def test_a_registered_metric_is_part_of_every_evaluation(metrics):
    @metrics.register("root-height")
    class RootHeight(Metric):
        def __init__(self, env):
            self.mean = Mean()

        def after(self, env, up, fell):
            self.mean.add(env.sim.root_pos_w[:, 2], up)

        def report(self):
            return {"root_height_m": self.mean.value}

    env = make(gentle_motion("humanoid"), 4, config("evaluation_s=0.2"))
    report = evaluate(env, lambda obs: torch.zeros(4, env.act_dim))
    assert 0.3 < report.metrics["root_height_m"] < 2.0
    assert report.to_json()["root_height_m"] == report.metrics["root_height_m"]


def test_a_metric_that_does_not_apply_is_left_out(metrics):
    metrics.register("never")(lambda env: None)
    env = make(gentle_motion("humanoid"), 2)
    env.reset()
    assert len(make_metrics(env)) == len(metrics.names()) - 1


def test_two_metrics_of_one_name_are_refused(metrics):
    with pytest.raises(ConfigError, match="two metrics are called 'jerk'"):
        metrics.register("jerk")(lambda env: None)


def test_a_mean_ignores_values_of_weight_zero():
    mean = Mean()
    mean.add(torch.tensor([1.0, torch.nan, 4.0]), torch.tensor([1.0, 0.0, 2.0]))
    assert mean.value == pytest.approx(3.0)


def test_a_mean_over_rows_of_weight_zero_is_zero():
    mean = Mean()
    mean.add(torch.ones(2, 3), torch.zeros(2, 3))
    assert mean.value == [0.0, 0.0, 0.0]
