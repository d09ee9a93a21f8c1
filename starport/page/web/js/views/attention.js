// Plate III: which earlier tokens each token takes from.

import { h } from "../dom.js";
import { number, percent, short } from "../numbers.js";
import { colours, legend } from "../scales.js";
import { bar, blockPicker, heatTable, largest, partNote, picker, shownPositions, tokenName } from "./parts.js";

/** @typedef {import("../run.js").Run} Run */
/** @typedef {import("../frame.js").Go} Go */
/** @typedef {import("../ask.js").Message} Message */

const KINDS = ["pattern", "scores", "given"];
const ABOUT = {
  pattern: "The pattern: softmax of the scores. Each row adds up to 1; hatched places are later tokens, which the mask hides.",
  scores: "The scores: query times key, scaled, before the mask. The hatched ones do not count.",
  given: "What was given: the weight times the length of the value vector.",
};
const MOST_SMALL = 128; // tokens; above this a small map would have less than a pixel for each

let kind = 0; // which of KINDS is shown

/**
 * Draw a pattern as a small picture.
 * @param {number[][]} rows
 * @param {string} name
 * @param {number} head
 */
function smallMap(rows, name, head) {
  const size = rows.length;
  const canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { width: size, height: size, "data-picture": `${name} ${head}`, "aria-hidden": "true" }));
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(size, size);
  rows.forEach((row, t) =>
    row.forEach((value, s) => image.data.set([...colours(s <= t ? Number(value) : 0, 1, false).rgb, s <= t ? 255 : 70], 4 * (t * size + s))),
  );
  context.putImageData(image, 0, 0);
  return canvas;
}

/**
 * @param {Run} run
 * @param {Go} go
 */
async function allHeads(run, go) {
  const names = Array.from({ length: run.model.config.n_head }, (_, i) => `head ${i}`);
  if (run.trace.ids.length > MOST_SMALL) return picker("head", names, run.head, (head) => go({ head }));
  const { patterns, name } = await run.ask({ ask: "attention", layer: run.layer });
  const maps = patterns.map((/** @type {number[][]} */ rows, /** @type {number} */ head) =>
    h(
      "button",
      { type: "button", class: "small-map", "data-key": `head ${head}`, "aria-pressed": String(head === run.head), onclick: () => go({ head }) },
      smallMap(rows, name, head),
      h("span", {}, names[head]),
    ),
  );
  return h("div", { class: "small-maps", role: "group", "aria-label": "heads of this block" }, maps);
}

/**
 * Return the large table of one head.
 * @param {Run} run
 * @param {Message} shown {name, at, values}
 * @param {number[]} positions
 */
function large(run, shown, positions) {
  const { tokens } = run.trace;
  const signed = KINDS[kind] === "scores";
  const flat = positions.flatMap((t) => positions.map((s) => (s <= t ? Number(shown.values[t][s]) : 0)));
  const { at, most } = largest(flat);
  const [t, s] = [positions[Math.floor(at / positions.length)], positions[at % positions.length]];
  const dense = positions.length > 14;
  const rows = positions.map((row) => ({
    head: tokenName(tokens[row]),
    chosen: row === run.position,
    cells: positions.map((column) => ({
      name: shown.name,
      index: [...shown.at, row, column],
      value: Number(shown.values[row][column]),
      masked: column > row,
      label: `${tokens[row].text} to ${tokens[column].text}`,
    })),
  }));
  return [
    heatTable({ caption: `${shown.name}, head ${run.head}: a row for each token that looks, a column for each token that is looked at`, columns: positions.map((one) => tokenName(tokens[one])), rows, most: signed ? most : Math.max(most, 1e-300), signed, dense, class: "square" }),
    legend(KINDS[kind], most, signed, { name: shown.name, index: [...shown.at, t, s], value: flat[at] }),
  ];
}

/**
 * Return what each earlier token gave to the chosen one.
 * @param {Run} run
 * @param {Message} answer
 * @param {number[]} positions
 */
function givers(run, answer, positions) {
  const { tokens } = run.trace;
  const t = run.position;
  const seen = positions.filter((s) => s <= t);
  const most = Math.max(...seen.map((s) => Number(answer.given.values[t][s])).filter(Number.isFinite), 0);
  const rows = seen.map((s) => {
    const one = (/** @type {string} */ name) => number(answer[name].name, [...answer[name].at, t, s], answer[name].values[t][s], { text: name === "pattern" ? percent(answer[name].values[t][s]) : short(answer[name].values[t][s]) });
    return h("tr", {}, h("th", { scope: "row" }, tokenName(tokens[s])), h("td", {}, one("scores")), h("td", {}, one("pattern")), h("td", { class: "with-bar" }, one("given"), bar(Number(answer.given.values[t][s]), most, false)));
  });
  return h(
    "table",
    { class: "list" },
    h("caption", {}, "What ", tokenName(tokens[t]), " takes, and from whom"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "token"), h("th", { scope: "col" }, "score"), h("th", { scope: "col" }, "weight"), h("th", { scope: "col" }, "given"))),
    h("tbody", {}, rows),
  );
}

/** @type {import("./all.js").View} */
export default {
  plate: "III",
  title: "Attention",
  caption: "Every head of a block lets each token look at itself and at earlier tokens. A row is the token that looks; a column is the token that is looked at.",
  async show(run, go) {
    const [heads, answer] = await Promise.all([allHeads(run, go), run.ask({ ask: "attention", layer: run.layer, head: run.head })]);
    const positions = shownPositions(run.trace.ids.length, run.position);
    const name = /** @type {"pattern" | "scores" | "given"} */ (KINDS[kind]);
    return [
      blockPicker(run, go),
      heads,
      picker("show", KINDS, kind, (chosen) => {
        kind = chosen;
        go({});
      }),
      h("p", { class: "note" }, ABOUT[name]),
      partNote(positions, run.trace.ids.length),
      h("div", { class: "columns" }, h("div", {}, large(run, answer[name], positions)), givers(run, answer, positions)),
    ].filter((one) => one !== null);
  },
};
