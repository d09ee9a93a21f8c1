// Plate II: the whole model, drawn to scale. The area of a box is its number of parameters; the width of the stream is
// the length of the vector that flows there.

import { button, div, h, span } from "../dom.js";
import { number } from "../numbers.js";

/** @typedef {import("../run.js").Run} Run */
/** @typedef {import("../frame.js").Go} Go */
/** @typedef {import("../ask.js").Message} Message */
/** @typedef {Partial<import("../state.js").State>} Change */

const WIDEST = 94; // percent of the column that the longest vector takes

/**
 * Return the number of parameters whose names begin so.
 * @param {Message} model
 * @param {string[]} prefixes
 */
function parameters(model, prefixes) {
  let sum = 0;
  for (const { name, shape } of model.weights) {
    if (prefixes.some((prefix) => name.startsWith(prefix)))
      sum += shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b);
  }
  return sum;
}

/** @param {number} count */
function counted(count) {
  if (count >= 1e6) return `${(count / 1e6).toFixed(1)} M`;
  return count >= 1e4 ? `${Math.round(count / 1e3)} k` : count.toLocaleString("en");
}

/**
 * Return what draws boxes: each opens a plate, and says how much it adds to the stream.
 * @param {Run} run
 * @param {Go} go
 * @param {Message[]} added
 */
function boxes(run, go, added) {
  const most = Math.max(parameters(run.model, ["wte."]), parameters(run.model, ["h.0.mlp."]));
  return (
    /** @type {string} */ side,
    /** @type {string} */ title,
    /** @type {string[]} */ prefixes,
    /** @type {Change} */ to,
    adds = "",
  ) => {
    const count = parameters(run.model, prefixes);
    const from = added.find((one) => one.name === `${adds}.norm`);
    const attributes = {
      class: "box",
      "data-key": `${title} ${to.layer}`,
      style: { "--part": Math.max(0.02, count / most) },
    };
    const length =
      from && number(from.name, [run.position], from.values[run.position], { label: "length of what is added" });
    return div(
      { class: `box-line ${side}` },
      button(
        { ...attributes, onclick: () => go(to) },
        span({ class: "box-title" }, title),
        span({ class: "box-size" }, count ? `${counted(count)} parameters` : "at every point"),
      ),
      length ? span({ class: "adds" }, "adds ", length) : null,
    );
  };
}

/**
 * Return what draws parts of the stream: the width goes from one length to the next.
 * @param {Run} run
 * @param {Message[]} stream
 */
function reaches(run, stream) {
  const t = run.position;
  const at = (/** @type {string} */ name) => stream.find((one) => one.name === `${name}.norm`) ?? stream[0];
  const most = Math.max(...stream.map((one) => Number(one.values[t])).filter(Number.isFinite), 1e-300);
  const width = (/** @type {string} */ name) => `${(WIDEST * Number(at(name).values[t])) / most}%`;
  return (/** @type {string} */ from, /** @type {string} */ to) => {
    const river = h("i", {
      class: "river",
      style: { "--from": width(from), "--to": width(to) },
      "aria-hidden": "true",
    });
    const norm = number(at(to).name, [t], at(to).values[t], { label: `length of ${to}` });
    return div({ class: "reach" }, river, span({ class: "norm" }, norm));
  };
}

/** @type {import("./all.js").View} */
export default {
  plate: "II",
  title: "The map",
  short: "Map",
  caption:
    "From a token to the scores of the next one. The areas of the boxes (on a small screen, the bars in them) are their numbers of parameters. The stream in the middle is the residual stream at the chosen token: its width is the length of that vector. Open a box.",
  async show(run, go) {
    const { stream, added } = await run.ask({ ask: "map" });
    const { n_layer: layers, tied } = run.model.config;
    const [box, reach] = [boxes(run, go, added), reaches(run, stream)];
    const row = (/** @type {Node[]} */ ...cells) => div({ class: "map-row" }, cells);
    const blank = () => div({ class: "box-line blank" });
    const first = "h.0.resid_pre";
    const rows = [
      row(
        box("left", "token embedding", ["wte."], { view: "tokens" }, "wte"),
        reach(first, first),
        box("right", "position embedding", ["wpe."], { view: "tokens" }, "wpe"),
      ),
    ];
    for (let n = 0; n < layers; n++) {
      const [pre, mid, post] = ["pre", "mid", "post"].map((point) => `h.${n}.resid_${point}`);
      const attention = box(
        "left",
        "attention",
        [`h.${n}.ln_1`, `h.${n}.attn`],
        { view: "attention", layer: n },
        `h.${n}.attn.c_proj`,
      );
      const forward = box(
        "right",
        "feed-forward",
        [`h.${n}.ln_2`, `h.${n}.mlp`],
        { view: "mlp", layer: n },
        `h.${n}.mlp.c_proj`,
      );
      rows.push(
        h("h3", { class: "map-block" }, `Block ${n}`),
        row(attention, reach(pre, mid), blank()),
        row(blank(), reach(mid, post), forward),
      );
    }
    const output = tied ? "output: the token table again" : "output projection";
    rows.push(
      h("h3", { class: "map-block" }, "Output"),
      row(
        box("left", "logit lens", [], { view: "lens" }),
        div({ class: "reach end" }),
        box("right", output, ["ln_f", "lm_head"], { view: "next" }),
      ),
    );
    return [div({ class: "map" }, rows)];
  },
};
