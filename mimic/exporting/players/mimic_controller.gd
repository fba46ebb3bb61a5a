# mimic controller bundles in GDScript. No dependencies; the same text runs in Godot 3 and 4. SPDX: Apache-2.0
#
#     var c = preload("mimic_controller.gd").new()
#     c.setup(parts, tensors)      # see check.gd (Godot 3) or samples/godot/mimic_bundle.gd (Godot 4) for the reading
#     var s = c.start_state(0.0)                              # {qpos, qvel, clock}
#     # every c.control_dt seconds:
#     var target = c.control(qpos, qvel, clock)               # servo targets [rad]
#     # every c.sim_dt seconds:
#     var motor = c.motors(target, qpos, qvel)                # torques [N m] for the motors of character.xml
#     # after c.substeps of these:
#     c.advance(clock, qpos)                                  # true: a clip that does not loop is over
#
# parts: {skeleton, control, observation, weights, reference}, the parsed JSON files. tensors: name -> array of floats,
# read from weights.bin and reference.bin as weights.json and reference.json say. State is MuJoCo's: qpos (nq) and qvel
# (nv) as skeleton.json says, z up, metres, radians, quaternions wxyz as arrays of four. to_engine and from_engine take
# vectors and quaternions to Godot's axes and back (conventions.json). A clock is {clip_time, origin, yaw}. The motors'
# formula expects that the engine itself damps every joint by kd and gives it its armature.
extends Resource

const SCHEMA_VERSION = 1

var control_dt = 0.0
var sim_dt = 0.0
var substeps = 0
var nq = 0
var nv = 0
var obs_dim = 0
var act_dim = 0

var _joints = []
var _servos = []
var _bodies = []
var _fields = []
var _steps = []
var _tensors = {}
var _shapes = {}
var _action = {}
var _task = {}
var _reference = {}
var _layers = 0
var _heading_frame = false


# What is wrong with the files, or "" and the controller is ready.
func setup(parts, tensors):
	for name in parts:
		if int(parts[name]["schema_version"]) != SCHEMA_VERSION:
			return name + ".json: schema version " + str(parts[name]["schema_version"]) + ", this file reads " + str(SCHEMA_VERSION)
	var skeleton = parts["skeleton"]
	var control = parts["control"]
	nq = int(skeleton["nq"])
	nv = int(skeleton["nv"])
	act_dim = int(skeleton["num_actuated"])
	for j in skeleton["joints"]:
		_joints.append({"ball": j["kind"] == "ball", "axis": j["axis"], "qpos": int(j["qpos"]), "qvel": int(j["qvel"]), "dof": int(j["dof"]), "dofs": int(j["dofs"])})
	_servos = control["joints"]
	for b in skeleton["bodies"]:
		_bodies.append({"parent": int(b["parent"]), "joint": int(b["joint"]), "offset": b["offset"], "com": b["com"]})
	control_dt = control["control_dt"]
	sim_dt = control["sim_dt"]
	substeps = int(control["substeps"])
	_action = control["action"]
	_task = control["task"]
	obs_dim = int(parts["observation"]["dim"])
	_heading_frame = parts["observation"]["frame"] == "heading"
	for field in parts["observation"]["fields"]:
		_fields.append(field["name"])
	for steps in parts["observation"]["target_steps"]:
		_steps.append(int(steps))
	_reference = parts["reference"]
	_layers = int(parts["weights"]["layers"])
	_tensors = tensors
	for part in [parts["weights"], _reference]:
		for name in part["tensors"]:
			_shapes[name] = part["tensors"][name]["shape"]
			if not tensors.has(name):
				return "no tensor '" + name + "'"
	return ""


# State and clock of the clip at a moment, to the nearest frame of reference.json.
func start_state(clip_time):
	var frame = int(clamp(round(clip_time * _reference["clip_fps"]), 0, _reference["clip_frames"] - 1))
	var qpos = []
	var qvel = []
	for i in range(nq):
		qpos.append(_tensors["clip.qpos"][frame * nq + i])
	for i in range(nv):
		qvel.append(_tensors["clip.qvel"][frame * nv + i])
	var clock = {"clip_time": min(frame / float(_reference["clip_fps"]), _reference["duration"]), "origin": [0.0, 0.0, 0.0], "yaw": 0.0}
	return {"qpos": qpos, "qvel": qvel, "clock": clock}


func control(qpos, qvel, clock):
	return target(act(observe(qpos, qvel, clock)), clock)


# The observation, obs_dim numbers (observation.json); empty where a field is unknown to this file.
func observe(qpos, qvel, clock):
	var seen = _look(qpos, qvel, clock)
	var out = []
	for field in _fields:
		if not _append_field(out, field, seen, qpos, qvel, clock):
			push_error("observation.json: field '" + str(field) + "' is unknown to this file")
			return []
	return out


# The policy: observation to action, act_dim numbers.
func act(observation):
	var shift = _tensors["shift"]
	var scale = _tensors["scale"]
	var bound = _tensors["bound"]
	var x = []
	for i in range(obs_dim):
		x.append(max(-bound[i], min(bound[i], (observation[i] - shift[i]) * scale[i])))
	for layer in range(_layers):
		var weight = _tensors["weight." + str(layer)]
		var bias = _tensors["bias." + str(layer)]
		var inputs = x.size()
		var y = []
		var at = 0
		for o in range(bias.size()):
			var sum = bias[o]
			for i in range(inputs):
				sum += weight[at + i] * x[i]
			at += inputs
			y.append(max(0.0, sum) if layer < _layers - 1 else sum)
		x = y
	return x


# Servo targets [rad]: rotation vectors of ball joints, angles of hinges.
func target(action, clock):
	var base = _action["offset"]
	if _action["mode"] == "reference":
		base = _look_up("table.pd_target", _ahead(clock, _action["lead_s"])["clip_time"])
	var out = []
	for i in range(act_dim):
		out.append(base[i] + _action["scale"][i] * action[i])
	return out


# Torques for the motors [N m]; call at every physics step.
func motors(target, qpos, qvel):
	var out = []
	for n in range(_joints.size()):
		var j = _joints[n]
		var servo = _servos[n]
		var error = []
		if j["ball"]:
			error = to_rotvec(mul(conj(quat_at(qpos, j["qpos"])), from_rotvec(vec_at(target, j["dof"]))))
		else:
			error = [target[j["dof"]] - qpos[j["qpos"]]]
		var square = 0.0
		for k in range(j["dofs"]):
			error[k] = servo["kp"] * error[k] - servo["kd"] * qvel[j["qvel"] + k]
			square += error[k] * error[k]
		var share = servo["torque_limit"] / max(servo["torque_limit"], sqrt(square))
		for k in range(j["dofs"]):
			out.append(error[k] * share + servo["kd"] * qvel[j["qvel"] + k])
	return out


# One control step on; closes cycles as the task says. True: a clip that does not loop is over.
func advance(clock, qpos):
	var duration = _reference["duration"]
	clock["clip_time"] += control_dt
	if not _reference["loop"]:
		clock["clip_time"] = min(clock["clip_time"], duration)
		return clock["clip_time"] >= duration - 1e-9
	if clock["clip_time"] < duration:
		return false
	var next = _next_cycle(clock)
	for key in next:
		clock[key] = next[key]
	if _task["sync_root_yaw"]:
		clock["yaw"] = heading(quat_at(qpos, 3)) - heading(_root(clock["clip_time"], [0.0, 0.0, 0.0], 0.0)["quat"])
	if _task["sync_root_pos"]:
		var pos = _root(clock["clip_time"], [0.0, 0.0, 0.0], clock["yaw"])["pos"]
		clock["origin"] = [qpos[0] - pos[0], qpos[1] - pos[1], 0.0]
	return false


# The clip's own pose now (nq), for a ghost or an animation that is only played.
func reference_pose(clock):
	var root = _root(clock["clip_time"], clock["origin"], clock["yaw"])
	var pose = _look_up("table.pd_target", clock["clip_time"])
	var qpos = []
	_extend(qpos, root["pos"])
	_extend(qpos, root["quat"])
	for j in _joints:
		if j["ball"]:
			_extend(qpos, from_rotvec(vec_at(pose, j["dof"])))
		else:
			qpos.append(pose[j["dof"]])
	return qpos


func _look_up(name, clip_time):
	var table = _tensors[name]
	var width = int(_shapes[name][1])
	var x = clip_time * _reference["table"]["rate"]
	var row = clamp(floor(x), 0, _reference["table"]["rows"] - 2)
	var at = int(row) * width
	var out = []
	for k in range(width):
		out.append(table[at + k] + (x - row) * (table[at + width + k] - table[at + k]))
	return out


func _root(clip_time, origin, yaw):
	var turn = yaw_quat(yaw)
	return {"pos": add(rotate(turn, _look_up("table.root_pos", clip_time)), origin), "quat": mul(turn, normalize(_look_up("table.root_quat", clip_time)))}


func _ahead(clock, seconds):
	var duration = _reference["duration"]
	var later = {"clip_time": clock["clip_time"] + seconds, "origin": clock["origin"], "yaw": clock["yaw"]}
	if not _reference["loop"]:
		later["clip_time"] = min(later["clip_time"], duration)
		return later
	for _i in range(int(ceil(seconds / duration)) + 1):
		if later["clip_time"] < duration:
			break
		later = _next_cycle(later)
	return later


func _next_cycle(at):
	var cycle = _reference["cycle"]
	var yaw = at["yaw"] + cycle["yaw"]
	var end = add(rotate(yaw_quat(at["yaw"]), add(cycle["first_pos"], cycle["displacement"])), at["origin"])
	return {"clip_time": at["clip_time"] - _reference["duration"], "origin": sub(end, rotate(yaw_quat(yaw), cycle["first_pos"])), "yaw": yaw}


func _joint_quat(j, qpos):
	if j["ball"]:
		return quat_at(qpos, j["qpos"])
	var half = qpos[j["qpos"]] / 2.0
	return [cos(half), sin(half) * j["axis"][0], sin(half) * j["axis"][1], sin(half) * j["axis"][2]]


func _look(qpos, qvel, clock):
	var s = {"root": quat_at(qpos, 3), "turn": yaw_quat(clock["yaw"]), "phase": clock["clip_time"] / _reference["duration"]}
	s["link_turn"] = yaw_quat(heading(s["root"])) if _heading_frame else s["turn"]
	var pos = []
	var quat = []
	var linvel = []
	var angvel = []
	var arms = []
	for body in _bodies:
		var p = body["parent"]
		if p < 0:
			pos.append([0.0, 0.0, 0.0])
			quat.append(s["root"])
			linvel.append(vec_at(qvel, 0))
			angvel.append(rotate(s["root"], vec_at(qvel, 3)))
		else:
			var arm = rotate(quat[p], body["offset"])
			var spin = [0.0, 0.0, 0.0]
			var turned = quat[p]
			if body["joint"] >= 0:
				var j = _joints[body["joint"]]
				turned = mul(quat[p], _joint_quat(j, qpos))
				for k in range(3):
					spin[k] = qvel[j["qvel"] + k] if j["ball"] else j["axis"][k] * qvel[j["qvel"]]
			pos.append(add(pos[p], arm))
			quat.append(turned)
			linvel.append(add(linvel[p], cross(angvel[p], arm)))
			angvel.append(add(angvel[p], rotate(turned, spin)))
		arms.append(rotate(quat[quat.size() - 1], body["com"]))
	s["pos"] = pos
	s["quat"] = quat
	s["linvel"] = linvel
	s["angvel"] = angvel
	s["arms"] = arms
	return s


func _append_field(out, field, s, qpos, qvel, clock):
	var turn = s["turn"]
	var links = s["link_turn"]
	match field:
		"phase":
			out.append(2.0 * s["phase"] - 1.0)
		"phase_circle":
			out.append(sin(2.0 * PI * s["phase"]))
			out.append(cos(2.0 * PI * s["phase"]))
		"root_height":
			out.append(qpos[2])
		"root_rot":
			_extend(out, rot6(mul(conj(turn), s["root"])))
		"root_linvel":
			_extend(out, rotate_back(turn, s["linvel"][0]))
		"root_angvel":
			_extend(out, rotate_back(turn, s["angvel"][0]))
		"joint_rot":
			for j in _joints:
				_extend(out, rot6(_joint_quat(j, qpos)))
		"joint_vel":
			for i in range(6, nv):
				out.append(qvel[i])
		"body_pos":
			for b in range(1, _bodies.size()):
				_extend(out, rotate_back(links, s["pos"][b]))
		"link_pos":
			for b in range(_bodies.size()):
				_extend(out, rotate_back(links, add(s["pos"][b], s["arms"][b])))
		"link_rot":
			for b in range(_bodies.size()):
				_extend(out, rot6(mul(conj(links if b > 0 else turn), s["quat"][b])))
		"link_linvel":
			for b in range(_bodies.size()):
				_extend(out, rotate_back(links if b > 0 else turn, add(s["linvel"][b], cross(s["angvel"][b], s["arms"][b]))))
		"link_angvel":
			for b in range(_bodies.size()):
				_extend(out, rotate_back(links if b > 0 else turn, s["angvel"][b]))
		"target_root":
			for steps in _steps:
				var later = _ahead(clock, steps * control_dt)
				var root = _root(later["clip_time"], later["origin"], later["yaw"])
				_extend(out, rotate_back(turn, sub(root["pos"], qpos)))
				_extend(out, rot6(mul(conj(turn), root["quat"])))
		"target_pose":
			for steps in _steps:
				_extend(out, _look_up("table.pd_target", _ahead(clock, steps * control_dt)["clip_time"]))
		_:
			return false
	return true


# Into an engine's axes: to_engine(conventions["engines"]["godot"], "position" or "angular", vector), and back.
static func to_engine(engine, kind, v):
	return _times(engine[kind + "_matrix"], v)


static func from_engine(engine, kind, v):
	return _times(engine[kind + "_matrix_back"], v)


# Quaternion wxyz of ours to the engine's, in its order: Godot's Quaternion (Quat) takes x, y, z, w.
static func rotation_to_engine(engine, q):
	var v = _times(engine["angular_matrix"], [q[1], q[2], q[3]])
	return [q[0], v[0], v[1], v[2]] if engine["quaternion"] == "wxyz" else [v[0], v[1], v[2], q[0]]


static func rotation_from_engine(engine, q):
	var first = engine["quaternion"] == "wxyz"
	var v = _times(engine["angular_matrix_back"], vec_at(q, 1 if first else 0))
	return [q[0] if first else q[3], v[0], v[1], v[2]]


static func _times(m, v):
	var out = []
	for row in m:
		out.append(row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
	return out


static func _extend(out, values):
	for value in values:
		out.append(value)


static func vec_at(a, at):
	return [a[at], a[at + 1], a[at + 2]]


static func quat_at(a, at):
	return [a[at], a[at + 1], a[at + 2], a[at + 3]]


static func add(a, b):
	return [a[0] + b[0], a[1] + b[1], a[2] + b[2]]


static func sub(a, b):
	return [a[0] - b[0], a[1] - b[1], a[2] - b[2]]


static func cross(a, b):
	return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


static func conj(q):
	return [q[0], -q[1], -q[2], -q[3]]


static func yaw_quat(yaw):
	return [cos(yaw / 2.0), 0.0, 0.0, sin(yaw / 2.0)]


static func heading(q):
	return atan2(2.0 * (q[1] * q[2] + q[0] * q[3]), 1.0 - 2.0 * (q[2] * q[2] + q[3] * q[3]))


static func mul(a, b):
	return [
		a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
		a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
		a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
		a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
	]


static func rotate(q, v):
	var axis = [q[1], q[2], q[3]]
	var t = cross(axis, v)
	t = [2.0 * t[0], 2.0 * t[1], 2.0 * t[2]]
	var u = cross(axis, t)
	return [v[0] + q[0] * t[0] + u[0], v[1] + q[0] * t[1] + u[1], v[2] + q[0] * t[2] + u[2]]


static func rotate_back(q, v):
	return rotate(conj(q), v)


static func normalize(q):
	var length = sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
	return [q[0] / length, q[1] / length, q[2] / length, q[3] / length]


static func from_rotvec(v):
	var angle = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
	var share = 0.5 if angle < 1e-12 else sin(angle / 2.0) / angle
	return [cos(angle / 2.0), share * v[0], share * v[1], share * v[2]]


static func to_rotvec(q):
	var s = -1.0 if q[0] < 0.0 else 1.0
	var sine = sqrt(q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
	var share = s * (2.0 if sine < 1e-12 else 2.0 * atan2(sine, s * q[0]) / sine)
	return [share * q[1], share * q[2], share * q[3]]


# Images of the x and z axes.
static func rot6(q):
	var w = q[0]
	var x = q[1]
	var y = q[2]
	var z = q[3]
	return [
		1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y),
		2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y),
	]
