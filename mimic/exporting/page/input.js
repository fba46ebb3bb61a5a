// Keyboard, gamepad and touch, as one stick: {ahead, aside} in [-1, 1], and whether to run.

const KEYS = {
  KeyW: [1, 0], ArrowUp: [1, 0], KeyS: [-1, 0], ArrowDown: [-1, 0],
  KeyA: [0, 1], ArrowLeft: [0, 1], KeyD: [0, -1], ArrowRight: [0, -1],
};
const DEAD = 0.15; // of a gamepad's stick

export class Input {
  /** `on.skill(key)` is told of letters and the space bar, `on.button(number)` of a gamepad's buttons. */
  constructor(pad, knob, on) {
    Object.assign(this, { held: new Set(), running: false, touch: null, on, pressed: [] });
    this.#wireKeys();
    this.#wireTouch(pad, knob);
  }

  get stick() {
    const [ahead, aside] = this.#sum();
    const length = Math.max(1, Math.hypot(ahead, aside));
    return { ahead: ahead / length, aside: aside / length, run: this.running || this.runButton || (this.touch?.far ?? false) };
  }

  #sum() {
    const gamepad = this.#gamepad();
    if (gamepad) return gamepad;
    if (this.touch) return [this.touch.ahead, this.touch.aside];
    return [...this.held].reduce(([a, b], code) => [a + KEYS[code][0], b + KEYS[code][1]], [0, 0]);
  }

  #wireKeys() {
    addEventListener("keydown", (event) => {
      if (event.target.matches?.("select, input") || event.ctrlKey || event.metaKey || event.altKey) return;
      this.running = event.shiftKey;
      if (event.code in KEYS) {
        this.held.add(event.code);
        event.preventDefault();
      } else if (!event.repeat && (event.key === " " || event.key.length === 1)) {
        if (event.key === " " && !event.target.matches?.("button")) event.preventDefault();
        if (!(event.key === " " && event.target.matches?.("button"))) this.on.skill(event.key.toLowerCase());
      }
    });
    addEventListener("keyup", (event) => {
      this.running = event.shiftKey;
      this.held.delete(event.code);
    });
    addEventListener("blur", () => {
      this.held.clear();
      this.running = false;
    });
  }

  #wireTouch(pad, knob) {
    const move = (event) => {
      const box = pad.getBoundingClientRect();
      const reach = box.width / 2;
      const [x, y] = [(event.clientX - box.left - reach) / reach, (event.clientY - box.top - reach) / reach];
      const length = Math.max(1, Math.hypot(x, y));
      this.touch = { ahead: -y / length, aside: -x / length, far: Math.hypot(x, y) > 0.9 };
      knob.style.transform = `translate(${(x / length) * reach * 0.62}px, ${(y / length) * reach * 0.62}px)`;
    };
    const leave = () => {
      this.touch = null;
      knob.style.transform = "";
    };
    pad.addEventListener("pointerdown", (event) => {
      pad.setPointerCapture(event.pointerId);
      move(event);
    });
    pad.addEventListener("pointermove", (event) => this.touch && move(event));
    for (const kind of ["pointerup", "pointercancel"]) pad.addEventListener(kind, leave);
  }

  /** The left stick of the first gamepad, if it is moved; its buttons are told once each. */
  #gamepad() {
    const gamepad = navigator.getGamepads?.().find((each) => each?.connected);
    this.runButton = Boolean(gamepad?.buttons[7]?.pressed || gamepad?.buttons[5]?.pressed);
    if (!gamepad) return null;
    const pressed = gamepad.buttons.map((button) => button.pressed);
    pressed.forEach((down, k) => down && !this.pressed[k] && this.on.button(k));
    this.pressed = pressed;
    const [x, y] = gamepad.axes;
    return Number.isFinite(x) && Number.isFinite(y) && Math.hypot(x, y) > DEAD ? [-y, -x] : null;
  }
}
