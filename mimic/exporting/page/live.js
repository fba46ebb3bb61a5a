// A skill performed live: MuJoCo in the browser, the policy in JavaScript, the clip beside it as a ghost.
import { Vector3 } from "three";
import { Hand } from "hand";
import loadMujoco from "mujoco";
import { Skill, bytesOf, unpacked } from "skill";
import { Figure, Stage } from "stage";

const MOST_BEHIND_S = 0.1; // a slow machine plays slowly rather than in jumps

const $ = (id) => document.getElementById(id);

class Page {
  constructor() {
    this.stage = new Stage($("view"));
    this.playing = true;
    this.speed = 1;
    this.frames = [];
    this.behind = 0;
    this.figures = {};
    this.skills = {};
  }

  async start() {
    const [{ skills }, wasm] = await Promise.all([
      fetch("skills.json").then((answer) => answer.json()), unpacked("mujoco.wasm.gz"),
    ]);
    this.entries = skills;
    this.mujoco = await loadMujoco({ wasmBinary: wasm });
    for (const { name } of skills) $("skill").add(new Option(name.replaceAll("_", " "), name));
    $("skill").parentElement.hidden = skills.length < 2;
    this.#wire();
    await this.choose(skills[0].name);
    $("loading").hidden = true;
    requestAnimationFrame((now) => this.#frame(now, now));
  }

  /** Show another skill. A choice made while an earlier one loads replaces it; a failure keeps the present skill. */
  async choose(name) {
    const entry = this.entries.find((each) => each.name === name);
    this.chosen = name;
    $("status").textContent = this.skills[name] ? "" : `loading ${name.replaceAll("_", " ")} …`;
    try {
      this.skills[name] ??= await Skill.load(this.mujoco, entry);
      this.figures[entry.character] ??= await Page.#figures(entry.character);
    } catch (error) {
      if (!this.skill) throw error; // the page has nothing to show
      if (this.chosen !== name) return;
      this.chosen = $("skill").value = this.shown;
      $("status").textContent = `${name.replaceAll("_", " ")} could not be loaded: ${error.message}`;
      return;
    }
    if (this.chosen === name) this.#show(entry);
  }

  #show(entry) {
    const { name } = entry;
    if (this.figure) this.stage.scene.remove(this.figure.group, this.ghost.group);
    this.shown = name;
    this.skill = this.skills[name];
    ({ figure: this.figure, ghost: this.ghost } = this.figures[entry.character]);
    this.stage.scene.add(this.figure.group, this.ghost.group);
    $("title").textContent = name.replaceAll("_", " ");
    $("skill").value = name;
    $("status").textContent = "";
    $("licence").textContent = entry.warning ?? "";
    this.#frameShot();
    this.restart();
  }

  static async #figures(character) {
    const figure = await Figure.load(await bytesOf(`${character}.glb`));
    return { figure, ghost: figure.ghost() };
  }

  restart() {
    this.skill.restart();
    this.behind = 0;
    this.#pose();
    this.stage.follow(this.figure.root, 10);
  }

  /** The way of one cycle decides where the camera stands. */
  #frameShot() {
    const table = this.skill.controller.table["table.root_pos"].data; // x forward, y left
    const [dx, dy] = [0, 1].map((k) => table[table.length - 3 + k] - table[k]);
    this.beside = this.stage.frameShot(new Vector3(table[1], table[2], table[0]), new Vector3(dy, 0, dx));
  }

  #frame(now, before) {
    requestAnimationFrame((next) => this.#frame(next, now));
    const dt = Math.min((now - before) / 1000, 0.25);
    this.frames.push(now);
    while (this.frames[0] < now - 2000) this.frames.shift();
    this.#physics(dt);
    this.#pose();
    this.stage.follow(this.figure.root, dt);
    this.stage.draw();
    this.#tell();
    this.firstMotion ??= this.skill.time > 0 ? performance.now() : undefined;
  }

  #physics(dt) {
    if (!this.playing) return;
    const { simDt } = this.skill.controller;
    this.behind = Math.min(this.behind + dt * this.speed, MOST_BEHIND_S);
    for (; this.behind >= simDt; this.behind -= simDt) {
      if (this.skill.done) return this.restart();
      this.hand.pull();
      this.skill.step();
    }
  }

  #pose() {
    const { controller, data, clock } = this.skill;
    this.figure.pose(data.qpos, controller.skeleton);
    const mode = $("ghost").value;
    this.ghost.group.visible = mode !== "off";
    this.ghost.group.position.copy(mode === "beside" ? this.beside : new Vector3());
    this.ghost.pose(controller.referencePose(clock), controller.skeleton);
    this.figure.group.updateMatrixWorld(true);
    this.hand.draw();
  }

  #tell() {
    const { skill } = this;
    $("note").textContent = skill.fallen ? `down: its ${skill.fallen.replaceAll("_", " ")} touched the ground` : "";
    $("time").textContent = `${skill.time.toFixed(1)} s`;
    $("rate").textContent = `${this.rate.toFixed(0)} pictures/s`;
    $("play").dataset.state = this.playing ? "playing" : "paused";
    $("play").setAttribute("aria-label", this.playing ? "pause" : "play");
  }

  get rate() {
    const [first, last] = [this.frames[0], this.frames.at(-1)];
    return last > first ? (1000 * (this.frames.length - 1)) / (last - first) : 0;
  }

  #wire() {
    $("play").onclick = () => (this.playing = !this.playing);
    $("again").onclick = () => this.restart();
    $("skill").onchange = (event) => this.choose(event.target.value);
    this.stage.chips((speed) => (this.speed = speed));
    addEventListener("keydown", (event) => {
      if (event.target.matches("select, button")) return;
      if (event.key === " ") this.playing = !this.playing;
      if (event.key === "r") this.restart();
    });
    this.hand = new Hand(this);
  }
}

/** For tests and the curious: the page, and what it does without pictures. */
const page = new Page();
window.mimic = {
  page,
  ready: page.start().catch((error) => {
    $("loading").textContent = `This page could not start: ${error.message}`;
    throw error;
  }),
  /** qpos after every control step of `seconds` from the start of the clip, and the body that fell. */
  rollout(seconds) {
    const { skill } = page;
    skill.restart();
    const rows = [Array.from(skill.data.qpos)];
    for (let step = 0; step < Math.round(seconds / skill.controller.controlDt) && !skill.over; step++) {
      do skill.step(); while (skill.substep);
      rows.push(Array.from(skill.data.qpos));
    }
    return { rows, fallen: skill.fallen };
  },
};
