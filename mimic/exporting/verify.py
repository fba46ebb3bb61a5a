"""Verify a bundle: its hashes, its schemas, and whether its networks reproduce the test vectors.

The players and samples in a bundle are checked by their hashes and never run. Before a runtime loads
a network, it is refused if it has foreign operators or external data.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mimic.core.packages import require_package
from mimic.exporting.bundle import MANIFEST
from mimic.exporting.bundle_reader import BundleError, parse, read_bundle
from mimic.exporting.library_check import check_library, reference_error
from mimic.exporting.runtime_free import LIBRARY_VERSION, SCHEMA_VERSION
from mimic.exporting.tensors import split_tensors

SCHEMAS = Path(__file__).with_name("schemas")
DESCRIBED = ("manifest", "skeleton", "control", "observation", "conventions", "weights", "reference", "testvectors")
OTHERS = ("policy.onnx", "controller.onnx", "weights.bin", "reference.bin")
OF_LIBRARIES = ("manifest", "skeleton", "control", "observation", "conventions", "weights", "library", "performance")
_OTHERS_OF_LIBRARIES = ("policy.onnx", "weights.bin", "library.bin")
CHARACTER = ("character.xml", "character.urdf", "character.glb")
_OPERATORS = {
    *("Add", "Cast", "Concat", "Cos", "Div", "Floor", "Gather", "Gemm", "GreaterOrEqual", "Identity", "MatMul", "Max"),
    *("Min", "Mul", "ReduceL2", "Relu", "Reshape", "Sin", "Sub", "Transpose"),
}
_MAX_NUMBERS = 10_000_000
_FEED = ("qpos", "qvel", "clip_time", "origin", "yaw")


@dataclass(frozen=True)
class Verdict:
    """The result for a valid bundle; ``errors`` are the largest differences from the test vectors."""

    bundle: str
    name: str
    schema_version: int
    files: int
    runtime: str
    tolerance: float
    errors: dict[str, float]
    warning: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON that ``--json`` writes."""
        return {"ok": True, **asdict(self)}


class _Runtime(Protocol):
    """A function that evaluates a network on one row of inputs, by name."""

    def __call__(self, feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]: ...


def verify(path: Path) -> Verdict:
    """Check a bundle, folder or zip file. Raises BundleError, which names the fault."""
    require_package("jsonschema", "export")
    files = read_bundle(path)
    version = parse(files[MANIFEST], MANIFEST)["schema_version"]
    library = version == LIBRARY_VERSION
    described, others = (OF_LIBRARIES, _OTHERS_OF_LIBRARIES) if library else (DESCRIBED, OTHERS)
    for name in (*(f"{part}.json" for part in described), *others, *CHARACTER):
        if name not in files:
            raise BundleError(f"{path}: {name} is missing in the manifest, but every bundle needs it")
    parts = {name: parse(files[f"{name}.json"], f"{name}.json") for name in described}
    for name, part in parts.items():
        check_schema(name, part, version)
    _check_sizes(parts, files)
    with np.errstate(all="ignore"):  # what overflows becomes an infinite or undefined error, and is refused for that
        runtime, errors = _parity(parts, files)
        if library:
            errors["library reference"] = reference_error(parts["library"], parts["performance"], files["library.bin"])
    vectors = parts["performance"] if library else parts["testvectors"]["tolerance"]
    tolerance = float(vectors["tolerance" if library else "vectors"])
    for what, error in errors.items():
        if not error <= tolerance:
            raise BundleError(f"{path}: {what} is {error:.3g} from the recorded vectors, more than {tolerance:g}")
    manifest = parts["manifest"]
    return Verdict(str(path), manifest["name"], version, len(files), runtime, tolerance, errors, manifest["warning"])


def check_schema(name: str, part: Any, wanted: int = SCHEMA_VERSION) -> None:
    """Raise BundleError unless a JSON file of a bundle fits its schema and is of the manifest's version ``wanted``."""
    import jsonschema

    version = part.get("schema_version") if isinstance(part, Mapping) else None
    if version != wanted:
        raise BundleError(f"{name}.json: schema version {version!r}, but the manifest says {wanted}")
    schema = parse((SCHEMAS / f"{name}.schema.json").read_bytes(), name)
    found = next(jsonschema.Draft202012Validator(schema).iter_errors(part), None)
    if found is not None:
        where = "/".join(str(step) for step in found.absolute_path)
        raise BundleError(f"{name}.json: {where or 'at the top'}: {found.message[:200]}")


def _check_sizes(parts: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Raise BundleError if lengths in one file differ from those in another, such as the number of joints."""
    skeleton, control, observation = parts["skeleton"], parts["control"], parts["observation"]
    actions, nq, nv = skeleton["num_actuated"], skeleton["nq"], skeleton["nv"]
    dim, bodies, joints = observation["dim"], len(skeleton["bodies"]), len(skeleton["joints"])
    fields = observation["fields"]
    ends = [field["start"] + field["length"] for field in fields]
    claims = {
        "skeleton.json: joints do not tile qvel": sum(j["dofs"] for j in skeleton["joints"]) == actions == nv - 6,
        "skeleton.json: a joint lies outside qpos": all(
            7 <= j["qpos"] <= nq - (4 if j["kind"] == "ball" else 1) and 6 <= j["qvel"] <= nv - j["dofs"]
            for j in skeleton["joints"]
        ),
        "skeleton.json: a body's parent or joint does not exist": all(
            body["parent"] < index and body["joint"] < joints and (body["parent"] >= 0 or index == 0)
            for index, body in enumerate(skeleton["bodies"])
        ),
        "control.json: not one entry a joint": [j["name"] for j in control["joints"]]
        == [j["name"] for j in skeleton["joints"]],
        "control.json: action is not as long as the skeleton says": all(
            len(control["action"][key]) == actions for key in ("order", "offset", "scale", "bound")
        ),
        "observation.json: fields do not tile the observation": [0, *ends] == [*(f["start"] for f in fields), dim],
        "observation.json: not one element a number": len(observation["elements"]) == dim,
        "manifest.json: dimensions are not those of the parts": parts["manifest"]["dimensions"]
        == {"observation": dim, "action": actions},
        "skeleton.json: no bodies": bodies > 0,
    }
    vectors = "performance" if "performance" in parts else "testvectors"
    for row in _recorded(parts):
        sizes = [len(row[key]) for key in ("qpos", "qvel", "observation", "action", "pd_target", "motor")]
        complaint = f"{vectors}.json: a row does not fit the skeleton"
        claims[complaint] = claims.get(complaint, True) and sizes == [nq, nv, dim, actions, actions, actions]
    for complaint, holds in claims.items():
        if not holds:
            raise BundleError(complaint)
    _check_tensors(parts, files, dim, actions)


def _recorded(parts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return all rows of the test vectors."""
    if "performance" in parts:
        return list(parts["performance"]["rows"])
    return [*parts["testvectors"]["states"], *parts["testvectors"]["rollout"]["rows"]]


def _check_tensors(parts: Mapping[str, Any], files: Mapping[str, bytes], dim: int, actions: int) -> None:
    motion = "library" if "library" in parts else "reference"
    try:
        weights = split_tensors(parts["weights"]["tensors"], files["weights.bin"])
        table = split_tensors(parts[motion]["tensors"], files[f"{motion}.bin"])
        inputs = dim
        for layer in range(parts["weights"]["layers"]):
            outputs, found = weights[f"weight.{layer}"].shape
            if found != inputs or weights[f"bias.{layer}"].shape != (outputs,):
                raise ValueError(
                    f"layer {layer} takes {found} numbers, but the one before it gives {inputs}, or its bias does not fit"
                )
            inputs = outputs
        if inputs != actions or any(weights[name].shape != (dim,) for name in ("shift", "scale", "bound")):
            raise ValueError(f"the network must take {dim} numbers (observation) and give {actions} (action)")
        (check_library if motion == "library" else _check_reference)(parts[motion], table, actions)
    except (KeyError, ValueError) as error:
        raise BundleError(f"weights.json or {motion}.json: {error}") from None
    for name, arrays in (("weights.bin", weights), (f"{motion}.bin", table)):
        if not all(bool(np.isfinite(array).all()) for array in arrays.values()):
            raise BundleError(f"{name}: holds a value that is NaN or infinite")


def _check_reference(reference: Mapping[str, Any], table: Mapping[str, np.ndarray], actions: int) -> None:
    rows = reference["table"]["rows"]
    widths = {"root_pos": 3, "root_quat": 4, "pd_target": actions}
    if any(table[f"table.{name}"].shape != (rows, width) for name, width in widths.items()):
        raise ValueError(f"the reference table must have {rows} rows: 3 root_pos, 4 root_quat, {actions} pd_target")


def _parity(parts: Mapping[str, Any], files: Mapping[str, bytes]) -> tuple[str, dict[str, float]]:
    """Return the runtime's name, and the largest difference from the test vectors for each kind of output."""
    rows = _recorded(parts)
    weights = split_tensors(parts["weights"]["tensors"], files["weights.bin"])
    errors = {"weights.bin action": 0.0}
    for row in rows:
        found = runtime_free_policy(weights, parts["weights"]["layers"], _row(row["observation"])[0])
        _note(errors, "weights.bin action", found, row["action"])
    if importlib.util.find_spec("onnx") is None:
        return "numpy, plain weights only (install onnx to check the networks)", errors
    policy, runtime = _load(files["policy.onnx"], "policy.onnx")
    for row in rows:
        found = policy({"obs": _row(row["observation"])})["action"]
        _note(errors, "policy.onnx action", found[0], row["action"])
    if "controller.onnx" not in files:
        return runtime, errors
    controller, _ = _load(files["controller.onnx"], "controller.onnx")
    for row in rows:
        outputs = controller({name: _row(row[name]) for name in _FEED})
        for output, key in (("obs", "observation"), ("action", "action"), ("pd_target", "pd_target")):
            _note(errors, f"controller.onnx {output}", outputs[output][0], row[key])
    return runtime, errors


def runtime_free_policy(tensors: Mapping[str, np.ndarray], layers: int, obs: np.ndarray) -> np.ndarray:
    """Compute the policy's action (A,) for an observation (D,) with NumPy from the plain weights."""
    value = np.clip((obs - tensors["shift"]) * tensors["scale"], -tensors["bound"], tensors["bound"])
    for layer in range(layers):
        value = tensors[f"weight.{layer}"] @ value + tensors[f"bias.{layer}"]
        value = np.maximum(value, 0.0) if layer < layers - 1 else value
    return value


def _note(errors: dict[str, float], what: str, found: np.ndarray, expected: Any) -> None:
    error = float(np.abs(found - np.asarray(expected)).max()) if len(found) == len(expected) else float("inf")
    errors[what] = error if error != error else max(errors.get(what, 0.0), error)


def _row(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.float32).reshape(1, -1)


def _load(data: bytes, name: str) -> tuple[_Runtime, str]:
    """Load a network of known operators into onnxruntime or, if that is missing, into onnx's NumPy evaluator."""
    import onnx
    import onnx.reference

    try:
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
        _check_graph(model, name)
        names = [output.name for output in model.graph.output]
        if importlib.util.find_spec("onnxruntime") is None:
            evaluator: Any = onnx.reference.ReferenceEvaluator(model)
            runtime = f"numpy (onnx {onnx.__version__})"
        else:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 4
            evaluator = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            runtime = f"onnxruntime {onnxruntime.__version__}"
    except BundleError:
        raise
    except Exception as error:  # a runtime's own errors share no base
        raise BundleError(f"{name}: not a network that can be loaded ({' '.join(str(error).split())[:200]})") from None

    def run(feed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            return dict(zip(names, evaluator.run(None, dict(feed)), strict=True))
        except Exception as error:
            raise BundleError(f"{name}: does not run ({' '.join(str(error).split())[:200]})") from None

    return run, runtime


def _check_shapes(graph: Any, name: str) -> None:
    """Raise BundleError unless every value's size is known and small, which limits the memory of a run."""
    shapes = [value.type.tensor_type.shape.dim for value in (*graph.value_info, *graph.input, *graph.output)]
    if len(shapes) < len({result for node in graph.node for result in node.output}):
        raise BundleError(f"{name}: has values of unknown size; all sizes must be fixed")
    for dims in shapes:
        count = 1
        for dim in dims:
            count *= dim.dim_value if dim.HasField("dim_value") else _MAX_NUMBERS + 1
        if count > _MAX_NUMBERS:
            raise BundleError(f"{name}: has a value of unknown size, or of more than {_MAX_NUMBERS} numbers at once")


def _check_graph(model: Any, name: str) -> None:
    import onnx

    operators = {node.op_type for node in model.graph.node}
    if strange := sorted(operators - _OPERATORS):
        raise BundleError(f"{name}: operator {strange[0]!r} is not allowed; these are: {', '.join(sorted(_OPERATORS))}")
    if model.functions or any(opset.domain for opset in model.opset_import):
        raise BundleError(f"{name}: defines its own operators; only ONNX's own are allowed")
    if any(tensor.data_location or tensor.external_data for tensor in model.graph.initializer):
        raise BundleError(f"{name}: stores numbers outside its file")
    _check_shapes(onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph, name)
    if name == "policy.onnx" and len(operators) > 10:
        raise BundleError(f"{name}: {len(operators)} kinds of operator, at most ten are allowed")
