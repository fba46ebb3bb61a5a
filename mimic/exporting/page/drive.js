// The page in which one drives a character: commands from keys, stick and buttons; physics and policy in the browser.
import { Vector3 } from "three";
import { Hand } from "hand";
import { Input } from "input";
import loadMujoco from "mujoco";
import { Performer } from "performer";
import { bytesOf, unpacked } from "skill";
import { Figure, Stage } from "stage";

const MOST_BEHIND_S = 0.1; // a slow machine plays slowly rather than in jumps
const TURN = 1.3; // [rad/s] of a stick held aside
const SAID_S = 4; // so long the page says that it put the character back on its feet
const FIRST = { cartwheel: "c", jump: " ", backflip: "b", spinkick: "k", roll: "r", spin: "x", punch: "p", zombie_walk: "z" };

const $ = (id) => document.getElementById(id);
const words = (name) => name.replace("-authored", "").replaceAll("_", " ");

class Page {
  constructor() {
    this.stage = new Stage($("view"));
    Object.assign(this, { playing: true, speed: 1, behind: 0, frames: [], performers: {}, figures: {} });
  }

  async start() {
    const [{ characters }, wasm] = await Promise.all([
      bytesOf("characters.json").then((bytes) => JSON.parse(new TextDecoder().decode(bytes))), unpacked("mujoco.wasm.gz"),
    ]);
    this.entries = characters;
    this.mujoco = await loadMujoco({ wasmBinary: wasm });
    for (const { name } of characters) $("character").add(new Option(words(name), name));
    $("who").hidden = characters.length < 2;
    this.hand = new Hand(this);
    this.input = new Input($("pad"), $("pad").firstElementChild, {
      skill: (key) => this.#key(key),
      button: (number) => this.#ask(this.skill.skills[number % Math.max(1, this.skill.skills.length)]),
    });
    this.#wire();
    await this.choose(characters[0].name);
    $("loading").hidden = true;
    requestAnimationFrame((now) => this.#frame(now, now));
  }

  /** Drive another character; the one asked for last wins. */
  async choose(name) {
    const entry = this.entries.find((each) => each.name === name);
    this.chosen = name;
    $("status").textContent = this.performers[name] ? "" : `loading ${words(name)} …`;
    try {
      this.performers[name] ??= await Performer.load(this.mujoco, entry);
      this.figures[entry.character] ??= await Page.#figures(entry.character);
    } catch (error) {
      if (!this.skill) throw error; // the page has nothing to show
      if (this.chosen !== name) return;
      this.chosen = $("character").value = this.shown;
      $("note").textContent = `${words(name)} could not be loaded: ${error.message}`;
      return;
    }
    if (this.chosen === name) this.#show(entry);
  }

  #show(entry) {
    if (this.figure) this.stage.scene.remove(this.figure.group, this.ghost.group);
    this.shown = entry.name;
    this.skill = this.performers[entry.name];
    ({ figure: this.figure, ghost: this.ghost } = this.figures[entry.character]);
    this.stage.scene.add(this.figure.group, this.ghost.group);
    $("title").textContent = words(entry.name);
    $("character").value = entry.name;
    $("licence").textContent = entry.warning ?? "";
    this.#buttons();
    this.restart();
  }

  static async #figures(character) {
    const figure = await Figure.load(await bytesOf(`${character}.glb`));
    return { figure, ghost: figure.ghost() };
  }

  /** A button and a key for every skill; letters are taken from the names. */
  #buttons() {
    const taken = new Set("wasd");
    this.keys = {};
    for (const name of this.skill.skills) if (FIRST[name]) this.#bind(name, FIRST[name], taken);
    const free = (name) => [...words(name).replaceAll(" ", ""), ..."123456789"].find((key) => !taken.has(key));
    for (const name of this.skill.skills) if (!FIRST[name]) this.#bind(name, free(name), taken);
    $("skills").replaceChildren(...Object.entries(this.keys).map(([key, name]) => {
      const button = document.createElement("button");
      button.dataset.skill = name;
      button.append(words(name), Object.assign(document.createElement("kbd"), { textContent: key === " " ? "space" : key.toUpperCase() }));
      button.onclick = () => this.#ask(name);
      return button;
    }));
  }

  #bind(name, key, taken) {
    taken.add(key);
    this.keys[key] = name;
  }

  #key(key) {
    if (this.keys[key]) this.#ask(this.keys[key]);
  }

  /** Do a skill; asked for again while it runs, it ends. */
  #ask(name) {
    if (!name) return;
    this.playing = true;
    if (this.skill.asked === name) this.skill.stop();
    else this.skill.play(name);
  }

  restart() {
    this.skill.restart();
    this.behind = 0;
    this.#pose();
    const { x, y, z } = this.figure.root;
    this.stage.look(new Vector3(x, 0.85 * y, z), 0.55, 2.4 + 3 * y, 0.25);
    this.stage.follow(this.figure.root, 10);
  }

  #frame(now, before) {
    requestAnimationFrame((next) => this.#frame(next, now));
    const dt = Math.min((now - before) / 1000, 0.25);
    this.frames.push(now);
    while (this.frames[0] < now - 2000) this.frames.shift();
    this.#lead();
    this.#physics(dt);
    this.#pose();
    this.stage.follow(this.figure.root, dt);
    this.stage.draw();
    this.#tell();
    this.firstMotion ??= this.skill.time > 0 ? performance.now() : undefined;
  }

  /** The stick leads along the heading of the character: ahead is a speed, aside a yaw rate. */
  #lead() {
    const { ahead, aside, run } = this.input.stick;
    const [walk, fast] = this.skill.speeds;
    const speed = Math.max(0, ahead) * (run ? fast : walk);
    this.skill.steer(speed, aside * TURN);
    if (ahead < -0.5 && this.skill.asked) this.skill.stop();
  }

  #physics(dt) {
    if (!this.playing) return;
    const { simDt } = this.skill.controller;
    this.behind = Math.min(this.behind + dt * this.speed, MOST_BEHIND_S);
    for (; this.behind >= simDt; this.behind -= simDt) {
      this.hand.pull();
      this.skill.step();
    }
  }

  #pose() {
    const { controller, data, clock } = this.skill;
    this.figure.pose(data.qpos, controller.skeleton);
    this.ghost.group.visible = $("ghost").checked;
    if (this.ghost.group.visible) this.ghost.pose(controller.referencePose(clock), controller.skeleton);
    this.figure.group.updateMatrixWorld(true);
    this.hand.draw();
  }

  #tell() {
    const { skill } = this;
    $("status").textContent = skill.doing;
    const helped = skill.helpedAt !== undefined && skill.time - skill.helpedAt < SAID_S;
    $("note").textContent = skill.down ? `fell on its ${words(skill.down)}` : helped ? "put back on its feet" : "";
    $("helped").value = skill.help;
    $("rate").textContent = `${this.rate.toFixed(0)} pictures/s`;
    $("play").dataset.state = this.playing ? "playing" : "paused";
    $("play").setAttribute("aria-label", this.playing ? "pause" : "play");
    for (const button of $("skills").children) button.ariaPressed = String(button.dataset.skill === skill.asked);
  }

  get rate() {
    const [first, last] = [this.frames[0], this.frames.at(-1)];
    return last > first ? (1000 * (this.frames.length - 1)) / (last - first) : 0;
  }

  #wire() {
    $("play").onclick = () => (this.playing = !this.playing);
    $("again").onclick = () => this.restart();
    $("character").onchange = (event) => this.choose(event.target.value);
    $("help").onchange = (event) => {
      for (const each of Object.values(this.performers)) each.helping = event.target.checked;
    };
    this.stage.chips((speed) => (this.speed = speed));
  }
}

/** For tests and the curious. */
function begin() {
  if (!document.createElement("canvas").getContext("webgl2"))
    throw new Error("this browser has no WebGL 2, which draws the pictures; turn on hardware acceleration, or try another browser");
  const page = new Page();
  window.mimic.page = page;
  return page.start();
}
window.mimic = {};
window.mimic.ready = Promise.resolve().then(begin).catch((error) => {
  $("loading").textContent = `This page could not start: ${error.message}`;
  $("loading").hidden = false;
  throw error;
});
