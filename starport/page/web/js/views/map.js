// Plate II: the whole model, drawn to scale. The area of a box is its number of parameters; the width of the stream is
// the length of the vector that flows there.

import { h } from "../dom.js";
import { number } from "../numbers.js";

/** @typedef {import("../run.js").Run} Run */
/** @typedef {import("../frame.js").Go} Go */
/** @typedef {import("../ask.js").Message} Message */

const WIDEST = 94; // percent of the column that the longest vector takes

/**
 * Return the number of parameters whose names begin so.
 * @param {Message} model
 * @param {string[]} prefixes
 */
function parameters(model, ...prefixes) {
  return model.weights
    .filter((/** @type {Message} */ weight) => prefixes.some((prefix) => weight.name.startsWith(prefix)))
    .reduce((/** @type {number} */ sum, /** @type {Message} */ weight) => sum + weight.shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1), 0);
}

/** @param {number} count */
function counted(count) {
  return count >= 1e6 ? `${(count / 1e6).toFixed(1)} M` : count >= 1e4 ? `${Math.round(count / 1e3)} k` : count.toLocaleString("en");
}

/**
 * @param {Run} run
 * @param {Go} go
 */
function boxes(run, go) {
  const { model } = run;
  const most = Math.max(parameters(model, "wte."), parameters(model, "h.0.mlp."), 1);
  /**
   * @param {string} kind
   * @param {string} title
   * @param {string[]} prefixes
   * @param {Partial<import("../state.js").State>} to
   * @param {Message | null} added what it adds to the stream
   */
  return (kind, title, prefixes, to, added = null) => {
    const count = parameters(model, ...prefixes);
    const values = added?.values[run.position];
    return h(
      "div",
      { class: `box-line ${kind}` },
      h(
        "button",
        { type: "button", class: "box", "data-key": `${title} ${to.layer ?? ""}`, style: { "--part": Math.max(0.02, count / most) }, onclick: () => go(to) },
        h("span", { class: "box-title" }, title),
        h("span", { class: "box-size" }, count ? `${counted(count)} parameters` : ""),
      ),
      added && h("span", { class: "adds" }, "adds ", number(added.name, [run.position], values, { label: "length of what is added" })),
    );
  };
}

/**
 * Return a part of the stream: its width goes from one length to the next.
 * @param {Run} run
 * @param {Message} point
 * @param {Message} from
 * @param {number} most
 */
function reach(run, point, from, most) {
  const t = run.position;
  const width = (/** @type {Message} */ one) => `${(WIDEST * Number(one.values[t])) / most}%`;
  const name = point.name.replace(/\.norm$/, "").replace(/^h\./, "block ").replace(".", ": ");
  return h(
    "div",
    { class: "reach" },
    h("i", { class: "river", style: { "--from": width(from), "--to": width(point) }, "aria-hidden": "true" }),
    h("span", { class: "norm" }, number(point.name, [t], point.values[t], { label: `length of the stream at ${name}` })),
  );
}

/** @type {import("./all.js").View} */
export default {
  plate: "II",
  title: "The map",
  short: "Map",
  caption:
    "From a token to the scores of the next one. The areas of the boxes are their numbers of parameters. The stream in the middle is the residual stream at the chosen token: its width is the length of that vector. Open a box.",
  async show(run, go) {
    const { stream, added } = await run.ask({ ask: "map" });
    const adds = (/** @type {string} */ name) => added.find((/** @type {Message} */ one) => one.name === `${name}.norm`) ?? null;
    const at = (/** @type {string} */ name) => stream.find((/** @type {Message} */ one) => one.name === `${name}.norm`);
    const most = Math.max(...stream.map((/** @type {Message} */ one) => Number(one.values[run.position])).filter(Number.isFinite), 1e-300);
    const box = boxes(run, go);
    const { n_layer: layers } = run.model.config;
    const rows = [h("div", { class: "map-row" }, box("left", "token embedding", ["wte."], { view: "tokens" }, adds("wte")), reach(run, at("h.0.resid_pre"), at("h.0.resid_pre"), most), box("right", "position embedding", ["wpe."], { view: "tokens" }, adds("wpe")))];
    for (let n = 0; n < layers; n++) {
      const pre = at(`h.${n}.resid_pre`);
      const mid = at(`h.${n}.resid_mid`);
      const post = at(`h.${n}.resid_post`);
      rows.push(
        h("h3", { class: "map-block" }, `Block ${n}`),
        h("div", { class: "map-row" }, box("left", "attention", [`h.${n}.ln_1`, `h.${n}.attn`], { view: "attention", layer: n }, adds(`h.${n}.attn.c_proj`)), reach(run, mid, pre, most), h("div", { class: "box-line right blank" })),
        h("div", { class: "map-row" }, h("div", { class: "box-line left blank" }), reach(run, post, mid, most), box("right", "feed-forward", [`h.${n}.ln_2`, `h.${n}.mlp`], { view: "mlp", layer: n }, adds(`h.${n}.mlp.c_proj`))),
      );
    }
    const tied = run.model.config.tied ? ["ln_f"] : ["ln_f", "lm_head"];
    rows.push(
      h("h3", { class: "map-block" }, "Output"),
      h("div", { class: "map-row" }, box("left", "logit lens", [], { view: "lens" }), h("div", { class: "reach end" }), box("right", run.model.config.tied ? "ln_f, and the table of token embeddings once more" : "ln_f and the output projection", tied, { view: "next" })),
    );
    return [h("div", { class: "map" }, rows)];
  },
};
