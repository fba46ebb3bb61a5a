# Plays a bundle's clip on the skeleton of its character.glb, in Godot 4. SPDX: Apache-2.0
# Put it on the root of the imported scene. Bones have the names of skeleton.json's bodies.
extends Node3D

@export_dir var bundle_folder := "res://cartwheel"

var _bundle: MimicBundle
var _clock := {}
var _bones: Skeleton3D
var _behind := 0.0


func _ready() -> void:
	_bundle = MimicBundle.open(bundle_folder)
	_bones = find_children("*", "Skeleton3D")[0]
	_clock = _bundle.controller.start_state(0.0)["clock"]


func _process(delta: float) -> void:
	_behind = min(_behind + delta, 0.25)
	while _behind >= _bundle.controller.control_dt:
		_behind -= _bundle.controller.control_dt
		_bundle.controller.advance(_clock, _bundle.controller.reference_pose(_clock))
	pose(_bundle.controller.reference_pose(_clock))


# Put qpos (ours) onto the skeleton (Godot's axes).
func pose(qpos: Array) -> void:
	var engine: Dictionary = _bundle.conventions["engines"]["godot"]
	for body in _bundle.skeleton["bodies"]:
		var bone := _bones.find_bone(body["name"])
		if bone < 0 or (int(body["joint"]) < 0 and int(body["parent"]) >= 0):
			continue
		var quat := [qpos[3], qpos[4], qpos[5], qpos[6]]
		if int(body["parent"]) < 0:
			var place = _bundle.controller.to_engine(engine, "position", qpos)
			_bones.set_bone_pose_position(bone, Vector3(place[0], place[1], place[2]))
		else:
			quat = _joint_quat(_bundle.skeleton["joints"][int(body["joint"])], qpos)
		var turned = _bundle.controller.rotation_to_engine(engine, quat)
		_bones.set_bone_pose_rotation(bone, Quaternion(turned[0], turned[1], turned[2], turned[3]))


func _joint_quat(joint: Dictionary, qpos: Array) -> Array:
	var at := int(joint["qpos"])
	if joint["kind"] == "ball":
		return [qpos[at], qpos[at + 1], qpos[at + 2], qpos[at + 3]]
	var half: float = qpos[at] / 2.0
	var axis: Array = joint["axis"]
	return [cos(half), sin(half) * axis[0], sin(half) * axis[1], sin(half) * axis[2]]
