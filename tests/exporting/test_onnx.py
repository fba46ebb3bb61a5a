"""The networks against torch, and their files: few operators, exact metadata, nothing that a runtime could stumble over."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from mimic.exporting.observation_schema import EXPORTED_FIELDS
from mimic.exporting.onnx_observation import ONNX_FIELDS
from mimic.exporting.onnx_policy import METADATA, policy_onnx
from mimic.exporting.runtime_free import policy_tensors
from mimic.runs.controller import load_controller
from tests.exporting import bundles
from tests.motion_samples import clip_or_skip


def session(data: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def shipped():
    clip_or_skip("cartwheel")
    return load_controller("cartwheel")


def observations(controller, count=1000) -> torch.Tensor:
    """Ordinary ones, and every tenth far out or at the ends of float32; the phase stays on its circle."""
    normalizer = controller.policy.normalizer
    normal = torch.randn(count, controller.policy.obs_dim, generator=torch.Generator().manual_seed(2))
    obs = (normalizer.mean + normalizer.std * normal).float()
    obs[::10] = normal[::10] * torch.logspace(1, 37, len(obs[::10]))[:, None]
    obs[1], obs[2], obs[3] = 0.0, torch.finfo(torch.float32).max, -torch.finfo(torch.float32).max
    obs[:, :2] = torch.nn.functional.normalize(normal[:, :2], dim=1)
    return obs


def test_the_policy_is_torchs_on_a_thousand_observations_extremes_included(shipped):
    run = session(policy_onnx(policy_tensors(shipped.policy), {}))
    obs = observations(shipped)
    with torch.no_grad():
        expected = shipped.policy.mean(obs).numpy()
    found = np.concatenate([run.run(None, {"obs": row[None].numpy()})[0] for row in obs])
    assert np.isfinite(expected).all() and np.abs(expected).max() > 1.0
    assert np.abs(found - expected).max() <= 1e-5


def test_both_networks_reproduce_the_test_vectors(files):
    policy, controller = session(files["policy.onnx"]), session(files["controller.onnx"])
    for row in bundles.rows(files):
        feed = {name: bundles.float32_row(row[name]) for name in ("qpos", "qvel", "clip_time", "origin", "yaw")}
        target, action, obs = controller.run(["pd_target", "action", "obs"], feed)
        np.testing.assert_allclose(obs[0], row["observation"], atol=1e-4)
        np.testing.assert_allclose(action[0], row["action"], atol=1e-4)
        np.testing.assert_allclose(target[0], row["pd_target"], atol=1e-4)
        (alone,) = policy.run(["action"], {"obs": bundles.float32_row(row["observation"])})
        np.testing.assert_allclose(alone[0], row["action"], atol=1e-5)


def test_the_files_are_what_old_runtimes_read(files):
    for name in ("policy.onnx", "controller.onnx"):
        model = onnx.load_model_from_string(files[name])
        onnx.checker.check_model(model, full_check=True)
        assert model.ir_version == 8 and [(o.domain, o.version) for o in model.opset_import] == [("", 15)]
        for value in (*model.graph.input, *model.graph.output):
            dims = value.type.tensor_type.shape.dim
            assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
            assert dims[0].dim_value == 1 and all(dim.dim_value > 0 for dim in dims)
        assert not any(tensor.data_location for tensor in model.graph.initializer)
    policy = onnx.load_model_from_string(files["policy.onnx"])
    assert len({node.op_type for node in policy.graph.node}) <= 10
    assert [value.name for value in policy.graph.input] == ["obs"]


def test_the_metadata_reloads_to_the_exact_floats(files):
    model = onnx.load_model_from_string(files["policy.onnx"])
    found = {entry.key: entry.value for entry in model.metadata_props}
    everything = json.loads(found[METADATA])
    for name in ("skeleton", "control", "observation"):
        expected = bundles.part(files, f"{name}.json")
        assert everything[name] == {key: value for key, value in expected.items() if key != "schema_version"}
    control = everything["control"]
    assert [float(x) for x in found["action_scale"].split(",")] == control["action"]["scale"]
    assert [float(x) for x in found["joint_stiffness"].split(",")] == [joint["kp"] for joint in control["joints"]]
    assert found["body_names"].split(",") == [body["name"] for body in everything["skeleton"]["bodies"]]


def test_the_metadata_holds_the_numbers_that_are_simulated_with(shipped):
    env = shipped.make_env(1, threads=1)
    control = bundles.part(bundles.cartwheel(), "control.json")
    assert control["control_dt"] == env.control_dt and control["sim_dt"] == env.character.simulation.sim_dt
    assert control["action"]["lead_s"] == env.config.action.lead_s
    assert torch.equal(torch.tensor(control["action"]["scale"]), env.action.scale)


def test_the_networks_compute_exactly_the_fields_that_can_be_exported():
    assert ONNX_FIELDS.keys() == EXPORTED_FIELDS.keys()


def test_the_evaluator_of_onnx_agrees_without_a_runtime(files):
    row = bundles.rows(files)[0]
    (action,) = ReferenceEvaluator(files["policy.onnx"]).run(None, {"obs": bundles.float32_row(row["observation"])})
    np.testing.assert_allclose(action[0], row["action"], atol=1e-5)
