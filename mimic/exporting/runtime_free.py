"""Files for evaluators without a neural-network runtime: JSON, float32 arrays in binary, and the MJCF."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from mimic.core.errors import InputError
from mimic.exporting.licence import provenance
from mimic.exporting.mjcf import character_mjcf
from mimic.exporting.observation_schema import observation
from mimic.exporting.reference_table import reference
from mimic.exporting.schema_parts import control, skeleton
from mimic.exporting.tensors import concat_tensors, json_bytes
from mimic.rl.policy import Policy
from mimic.runs.controller import Controller
from mimic.tracking import TrackingEnv

SCHEMA_VERSION = 1  # of a bundle with one clip
LIBRARY_VERSION = 2  # of a bundle with a library of clips


def runtime_free_files(controller: Controller, env: TrackingEnv) -> dict[str, bytes]:
    """Return the files' bytes by name; ``env`` is an environment of the controller.

    The same controller gives the same bytes.
    """
    reference_json, reference_bin = reference(env)
    licence = provenance(controller, env.motion).clip.licence
    return {
        **policy_files(controller, env),
        "reference.json": versioned({"licence": licence, **reference_json}),
        "reference.bin": reference_bin,
    }


def policy_files(controller: Controller, env: TrackingEnv, version: int = SCHEMA_VERSION) -> dict[str, bytes]:
    """Return the files of the character, the policy and the meaning of its numbers, which both versions have."""
    weights_json, weights_bin = _weights(controller)
    return {
        "skeleton.json": versioned(skeleton(env.character), version=version),
        "control.json": versioned(control(env), version=version),
        "observation.json": versioned(observation(env, library=version == LIBRARY_VERSION), version=version),
        "weights.json": versioned(weights_json, version=version),
        "weights.bin": weights_bin,
        "character.xml": character_mjcf(env.character),
    }


def versioned(part: Mapping[str, Any], compact: bool = False, version: int = SCHEMA_VERSION) -> bytes:
    """Return the bytes of a JSON file with the content ``part`` and the schema version."""
    return json_bytes({"schema_version": version, **part}, compact)


def policy_tensors(policy: Policy) -> dict[str, np.ndarray]:
    """Return normaliser and layers as float32 arrays: shift, scale, bound; weight.0 (out, in), bias.0 (out,), ...

    Raises InputError for a network with tanh, as some baselines have, because the evaluators cannot compute it.
    """
    if policy.config.activation != "relu" or policy.config.squash:
        raise InputError(
            "the network of this controller has tanh in it, which no export supports; use a controller trained with awr or ppo"
        )
    normalizer = policy.normalizer
    arrays = {
        "shift": normalizer.shift,
        "scale": normalizer.scale,
        "bound": normalizer.bound,
    }
    linear = [layer for layer in policy.net if isinstance(layer, nn.Linear)]
    for index, layer in enumerate(linear):
        arrays[f"weight.{index}"], arrays[f"bias.{index}"] = layer.weight, layer.bias
    return {name: tensor.detach().cpu().numpy().astype(np.float32) for name, tensor in arrays.items()}


def num_layers(tensors: Mapping[str, np.ndarray]) -> int:
    """Return the number of linear layers in ``policy_tensors``."""
    return sum(name.startswith("weight.") for name in tensors)


def _weights(controller: Controller) -> tuple[dict[str, Any], bytes]:
    tensors = policy_tensors(controller.policy)
    index, data = concat_tensors(tensors)
    described = {
        "dtype": "float32",
        "byte_order": "little",
        "normalizer": "x = clamp((obs - shift) * scale, -bound, bound), number by number",
        "network": "layer i: y = weight.i x + bias.i, weight (outputs, inputs) row by row; ReLU after all but the last",
        "layers": num_layers(tensors),
        "tensors": index,
    }
    return described, data
