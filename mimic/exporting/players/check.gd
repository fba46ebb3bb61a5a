# godot3-server --no-window -s check.gd BUNDLE (Godot 3): recomputes testvectors.json with mimic_controller.gd; leaves
# with 1 if anything is off by more than allowed, with 2 if the bundle cannot be read.
extends SceneTree

var worst = {}
var failed = ""


func _init():
	var args = OS.get_cmdline_args()
	var bundle = args[args.size() - 1]
	var controller = load(get_script().resource_path.get_base_dir() + "/mimic_controller.gd").new()
	quit(check(controller, bundle))


func check(c, bundle):
	var parts = {}
	for name in ["skeleton", "control", "observation", "weights", "reference"]:
		parts[name] = read_json(bundle + "/" + name + ".json")
	var vectors = read_json(bundle + "/testvectors.json")
	var conventions = read_json(bundle + "/conventions.json")
	read_json(bundle + "/manifest.json")
	if failed == "":
		failed = c.setup(parts, read_tensors(bundle, parts))
	if failed != "":
		printerr(failed)
		return 2
	var rows = vectors["rollout"]["rows"]
	for row in vectors["states"]:
		check_row(c, row)
	for row in rows:
		check_row(c, row)
	var clock = clock_of(rows[0])
	for i in range(1, rows.size()):
		c.advance(clock, rows[i]["qpos"])
		compare("clock", flat(clock), flat(clock_of(rows[i])))
	for row in vectors["frames"]:
		var engine = conventions["engines"][row["engine"]]
		compare("frames", c.to_engine(engine, "position", row["vector"]), row["position"])
		compare("frames", c.to_engine(engine, "angular", row["vector"]), row["angular"])
		compare("frames", c.rotation_to_engine(engine, row["quaternion"]), row["rotation"])
		compare("frames", c.from_engine(engine, "position", row["position"]), row["vector"])
		compare("frames", c.from_engine(engine, "angular", row["angular"]), row["vector"])
		compare("frames", c.rotation_from_engine(engine, row["rotation"]), row["quaternion"])
	var good = true
	for what in worst:
		print(what, " ", worst[what])
		good = good and worst[what] <= vectors["tolerance"]["vectors"]
	print("OK" if good else "OFF: more than " + str(vectors["tolerance"]["vectors"]))
	return 0 if good else 1


func check_row(c, row):
	var observation = c.observe(row["qpos"], row["qvel"], clock_of(row))
	var action = c.act(observation)
	var target = c.target(action, clock_of(row))
	compare("observation", observation, row["observation"])
	compare("action", action, row["action"])
	compare("target", target, row["pd_target"])
	compare("motor", c.motors(target, row["qpos"], row["qvel"]), row["motor"])


func compare(what, found, expected):
	var most = worst[what] if worst.has(what) else 0.0
	if found.size() != expected.size():
		most = INF
	else:
		var unit = 1.0
		if what == "motor":  # in shares of the largest: a torque is kp times an angle
			for x in expected:
				unit = max(unit, abs(x))
		for i in range(expected.size()):
			var error = abs(found[i] - expected[i]) / unit
			if not error <= most:
				most = error
	worst[what] = most


func clock_of(row):
	return {"clip_time": row["clip_time"], "origin": row["origin"], "yaw": row["yaw"]}


func flat(clock):
	return [clock["clip_time"], clock["origin"][0], clock["origin"][1], clock["origin"][2], clock["yaw"]]


func read_json(path):
	var file = File.new()
	if file.open(path, File.READ) != OK:
		failed = path + ": cannot be read"
		return {}
	var parsed = JSON.parse(file.get_as_text())
	file.close()
	if parsed.error != OK or typeof(parsed.result) != TYPE_DICTIONARY:
		failed = path + ": not JSON"
		return {}
	if int(parsed.result["schema_version"]) != 1:
		failed = path + ": schema version " + str(parsed.result["schema_version"]) + ", this file reads 1"
	return parsed.result


func read_tensors(bundle, parts):
	var tensors = {}
	for pair in [["weights", "weights.bin"], ["reference", "reference.bin"]]:
		var file = File.new()
		if file.open(bundle + "/" + pair[1], File.READ) != OK:
			failed = pair[1] + ": cannot be read"
			return tensors
		var index = parts[pair[0]]["tensors"]
		for name in index:
			var count = 1
			for size in index[name]["shape"]:
				count *= int(size)
			if int(index[name]["offset"]) + 4 * count > file.get_len():
				failed = pair[1] + ": too short for " + name
				return tensors
			file.seek(int(index[name]["offset"]))
			var values = PoolRealArray()
			values.resize(count)
			for i in range(count):
				values[i] = file.get_float()
			tensors[name] = values
		file.close()
	return tensors
