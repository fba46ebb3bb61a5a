"""controller.onnx: a graph that computes servo targets from the simulator's state and the clip time.

The graph computes the observation as well. All numbers are float32.

- inputs: ``qpos`` (1, nq) and ``qvel`` (1, nv) in the order of mimic/exporting/qpos_layout.py; ``clip_time`` (1, 1) [s]
- inputs that place the clip in the world: ``origin`` (1, 3) [m] and ``yaw`` (1, 1) [rad]
- outputs: ``pd_target`` (1, A) [rad] and, for inspection, ``action`` (1, A) and ``obs`` (1, D), for A actuated degrees of
  freedom and D numbers in the observation
"""

from collections.abc import Mapping

import numpy as np

from mimic.exporting.onnx_observation import ObservationValues
from mimic.exporting.onnx_policy import add_policy
from mimic.exporting.onnx_rotations import RotationGraph
from mimic.tracking import TrackingEnv


def controller_onnx(env: TrackingEnv, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of controller.onnx."""
    graph = RotationGraph("mimic controller")
    values = ObservationValues(graph, env)
    obs = values.observation()
    action = add_policy(graph, obs, tensors)
    target = _pd_target(values, action)
    graph.output(target, "pd_target", 1, env.act_dim)
    graph.output(action, "action", 1, env.act_dim)
    graph.output(obs, "obs", 1, env.obs_dim)
    return graph.serialize(metadata)


def _pd_target(values: ObservationValues, action: str) -> str:
    """Add the operators of ``Action.pd_target``; return the name of the servo targets (1, A) of an action (1, A)."""
    graph, settings, reference = values.graph, values.env.action, values.reference
    scaled = graph.op("Mul", action, graph.constant(settings.scale[None].numpy(), "action_scale"))
    if not settings.needs_reference:
        return graph.op("Add", scaled, graph.constant(settings.offset[None].numpy(), "action_offset"))
    at = reference.row(reference.ahead(settings.config.lead_s).time)
    return graph.op("Add", scaled, reference.look_up("pd_target", at))
