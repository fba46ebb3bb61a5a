"""Builds a graph of ONNX operators one by one, so that the same network gives the same bytes every time.

Opset 15, IR version 8, float32, fixed shapes and a single file suit old runtimes in game engines.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 15, 8


class Graph:
    """A graph of operators and constants. Methods take and return values by name."""

    def __init__(self, name: str):
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, *shape: int) -> str:
        """Declare an input and return its name."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def output(self, value: str, name: str, *shape: int) -> None:
        """Declare a value as an output called ``name``."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=f"out_{name}"))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def rename_last(self, name: str, *shape: int) -> None:
        """Declare the last operator's result as an output called ``name``, without an Identity operator."""
        self._nodes[-1].output[0] = name
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, value: Any, name: str = "", dtype: Any = np.float32) -> str:
        """Add a constant and return its name; equal constants without a name are stored once."""
        array = np.ascontiguousarray(np.asarray(value), dtype=dtype)
        if not name:
            for known, tensor in self._constants.items():
                if known.startswith("c_") and _same(numpy_helper.to_array(tensor), array):
                    return known
            name = f"c_{len(self._constants)}"
        self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def indices(self, values: Sequence[int] | int) -> str:
        """Add a constant of whole numbers, for shapes and gathers, and return its name."""
        return self.constant(values, dtype=np.int64)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator and return the name of its result."""
        result = f"v_{len(self._nodes)}"
        self._nodes.append(
            helper.make_node(kind, list(inputs), [result], name=f"{kind}_{len(self._nodes)}", **attributes)
        )
        return result

    def gather(self, value: str, index: Sequence[int] | int, axis: int = 1) -> str:
        """Select the columns ``index`` of a value along ``axis``."""
        return self.op("Gather", value, self.indices(index), axis=axis)

    def reshape(self, value: str, *shape: int) -> str:
        """Reshape a value."""
        return self.op("Reshape", value, self.indices(shape))

    def concat(self, *values: str, axis: int = 1) -> str:
        """Concatenate values along ``axis``."""
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=axis)

    def serialize(self, metadata: Mapping[str, str]) -> bytes:
        """Check the model and return its bytes."""
        graph = helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, initializer=list(self._constants.values())
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="mimic"
        )
        for key, value in metadata.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bool(np.array_equal(a, b))
