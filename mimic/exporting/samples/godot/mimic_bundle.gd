# Reads a mimic controller bundle in Godot 4. SPDX: Apache-2.0
#
#     var bundle = MimicBundle.open("res://cartwheel")        # null, and an error in the console, if it is not whole
#     var target = bundle.controller.control(qpos, qvel, clock)
class_name MimicBundle
extends RefCounted

const Controller = preload("mimic_controller.gd")

var controller
var skeleton := {}
var conventions := {}


static func open(folder: String) -> MimicBundle:
	var bundle := MimicBundle.new()
	var parts := {}
	for name in ["skeleton", "control", "observation", "weights", "reference", "conventions"]:
		var part = JSON.parse_string(FileAccess.get_file_as_string(folder.path_join(name + ".json")))
		if typeof(part) != TYPE_DICTIONARY:
			push_error(folder + ": " + name + ".json is missing or damaged")
			return null
		parts[name] = part
	bundle.skeleton = parts["skeleton"]
	bundle.conventions = parts["conventions"]
	var tensors := {}
	for pair in [["weights", "weights.bin"], ["reference", "reference.bin"]]:
		var bytes := FileAccess.get_file_as_bytes(folder.path_join(pair[1]))
		var index: Dictionary = parts[pair[0]]["tensors"]
		for name in index:
			var count := 1
			for size in index[name]["shape"]:
				count *= int(size)
			var begin := int(index[name]["offset"])
			if begin + 4 * count > bytes.size():
				push_error(folder + ": " + pair[1] + " is missing or too short")
				return null
			tensors[name] = bytes.slice(begin, begin + 4 * count).to_float32_array()
	bundle.controller = Controller.new()
	var complaint: String = bundle.controller.setup(parts, tensors)
	if complaint != "":
		push_error(folder + ": " + complaint)
		return null
	return bundle
