"""policy.onnx: a graph from observation (1, D) to action (1, A) that contains the normaliser.

It has six kinds of operator: Sub, Mul, Min, Max, Gemm and Relu.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mimic.exporting.onnx_graph import Graph
from mimic.exporting.runtime_free import num_layers

METADATA = "mimic"  # the key of the JSON


def add_policy(graph: Graph, obs: str, tensors: Mapping[str, np.ndarray]) -> str:
    """Add the policy's operators on an observation (1, D); return the name of the action (1, A).

    The policy is ``clamp((obs - shift) * scale, -bound, bound)``, then linear layers with ReLU between them.
    """
    value = graph.op("Sub", obs, graph.constant(tensors["shift"], "shift"))
    value = graph.op("Mul", value, graph.constant(tensors["scale"], "scale"))
    value = graph.op("Min", value, graph.constant(tensors["bound"], "bound"))
    value = graph.op("Max", value, graph.constant(-tensors["bound"], "minus_bound"))
    layers = num_layers(tensors)
    for index in range(layers):
        weight = graph.constant(tensors[f"weight.{index}"], f"weight.{index}")
        bias = graph.constant(tensors[f"bias.{index}"], f"bias.{index}")
        value = graph.op("Gemm", value, weight, bias, transB=1)
        if index < layers - 1:
            value = graph.op("Relu", value)
    return value


def policy_onnx(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of policy.onnx."""
    graph = Graph("mimic policy")
    obs = graph.input("obs", 1, len(tensors["shift"]))
    add_policy(graph, obs, tensors)
    graph.rename_last("action", 1, len(tensors[f"bias.{num_layers(tensors) - 1}"]))
    return graph.serialize(metadata)


def metadata(describe: Mapping[str, Any], joints: Sequence[Mapping[str, Any]], bodies: Sequence[str]) -> dict[str, str]:
    """Return the ONNX metadata: ``describe`` as JSON under the key "mimic", and flat keys as in files of mjlab.

    Readers of files that mjlab (a robot-learning framework) exports expect the flat keys. ``joints`` are the joints of
    control.json, ``bodies`` the bodies' names.
    """

    def flat(values: Sequence[Any]) -> str:
        return ",".join(value if isinstance(value, str) else repr(float(value)) for value in values)

    return {
        METADATA: json.dumps(describe, allow_nan=False, sort_keys=True),
        "joint_names": flat([joint["name"] for joint in joints]),
        "joint_stiffness": flat([joint["kp"] for joint in joints]),
        "joint_damping": flat([joint["kd"] for joint in joints]),
        "action_scale": flat(describe["control"]["action"]["scale"]),
        "default_joint_pos": flat(describe["control"]["action"]["offset"]),
        "body_names": flat(bodies),
    }
