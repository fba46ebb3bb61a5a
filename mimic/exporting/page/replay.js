// A recorded motion on a timeline, with its reference as a ghost if there is one.
import { Vector3 } from "three";
import { Figure, Stage } from "stage";

const $ = (id) => document.getElementById(id);
const told = JSON.parse($("motion").textContent);

async function glb() {
  const packed = await (await fetch(`data:;base64,${$("glb").textContent}`)).blob();
  return new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

class Replay {
  async start() {
    document.title = $("title").textContent = told.title;
    $("licence").textContent = told.note;
    $("line").max = told.seconds;
    this.stage = new Stage($("view"));
    this.figure = await Figure.load(await glb());
    this.stage.scene.add(this.figure.group);
    this.seekFigure = this.figure.player(told.animations[0]);
    $("reference").hidden = told.animations.length < 2;
    if (told.animations.length > 1) {
      this.ghost = this.figure.ghost();
      this.stage.scene.add(this.ghost.group);
      this.seekGhost = this.ghost.player(told.animations[1]);
    }
    Object.assign(this, { playing: true, speed: 1 });
    this.#shoot();
    this.#wire();
    this.seek(0);
    $("loading").hidden = true;
    requestAnimationFrame((now) => this.#frame(now, now));
  }

  seek(seconds) {
    this.time = Math.min(Math.max(seconds, 0), told.seconds);
    this.seekFigure(this.time);
    this.seekGhost?.(this.time);
    const mode = $("ghost").value;
    if (this.ghost) {
      this.ghost.group.visible = mode !== "off";
      this.ghost.group.position.copy(mode === "beside" ? this.beside : new Vector3());
    }
    this.stage.scene.updateMatrixWorld(true);
    $("line").value = this.time;
    $("time").textContent = `${this.time.toFixed(2)} / ${told.seconds.toFixed(2)} s`;
  }

  /** From the side of the way it goes, or from the front where it stays. */
  #shoot() {
    this.seekFigure(told.seconds);
    this.stage.scene.updateMatrixWorld(true);
    const end = this.figure.root;
    this.seekFigure(0);
    this.stage.scene.updateMatrixWorld(true);
    const start = this.figure.root;
    this.beside = this.stage.frameShot(start, end.sub(start));
  }

  #frame(now, before) {
    requestAnimationFrame((next) => this.#frame(next, now));
    const dt = Math.min((now - before) / 1000, 0.25);
    if (this.playing) {
      const next = this.time + dt * this.speed;
      this.seek(next > told.seconds ? 0 : next);
    }
    this.stage.follow(this.figure.root, this.playing ? dt : 1);
    this.stage.draw();
    $("play").dataset.state = this.playing ? "playing" : "paused";
    $("play").setAttribute("aria-label", this.playing ? "pause" : "play");
  }

  #step(frames) {
    this.playing = false;
    this.seek((Math.round(this.time * told.fps) + frames) / told.fps);
  }

  #wire() {
    $("play").onclick = () => (this.playing = !this.playing);
    $("line").oninput = (event) => {
      this.playing = false;
      this.seek(Number(event.target.value));
    };
    $("ghost").onchange = () => this.seek(this.time);
    this.stage.chips((speed) => (this.speed = speed));
    addEventListener("keydown", (event) => {
      if (event.target.matches("select, button")) return;
      if (event.key === " ") this.playing = !this.playing;
      if (event.key === ",") this.#step(-1);
      if (event.key === ".") this.#step(1);
    });
  }
}

const replay = new Replay();
window.mimic = {
  replay,
  ready: replay.start().catch((error) => {
    $("loading").textContent = `This page could not start: ${error.message}`;
    throw error;
  }),
  /** Where the bones are, (B, 3) [m], glTF's axes. */
  bones: () => replay.figure.bones.map((bone) => bone.getWorldPosition(new Vector3()).toArray()),
};
