// The parts of three.js that the pages use; esbuild leaves the rest out.
export {
  AnimationMixer, Clock, Color, DirectionalLight, Fog, Group, HemisphereLight, LoopOnce, LoopRepeat, Mesh,
  MeshBasicMaterial, MeshStandardMaterial, NeutralToneMapping, PCFSoftShadowMap, PerspectiveCamera, Plane, PlaneGeometry,
  Quaternion, Raycaster, Scene, ShaderMaterial, SphereGeometry, Vector2, Vector3, WebGLRenderer,
} from "three";
export { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
export { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
export { clone } from "three/examples/jsm/utils/SkeletonUtils.js";
