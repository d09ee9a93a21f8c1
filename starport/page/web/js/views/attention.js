// Plate III: which earlier tokens each token takes from.

import { button, div, h, note, span, table } from "../dom.js";
import { number, percent } from "../numbers.js";
import { colours, legend } from "../scales.js";
import { barred, blockPicker, heatTable, mostOf, partNote, picker, shownPositions, tokenName } from "./parts.js";

/** @typedef {import("../run.js").Run} Run */
/** @typedef {import("../frame.js").Go} Go */
/** @typedef {import("../ask.js").Message} Message */

const KINDS = ["pattern", "scores", "given"];
const ABOUT = [
  "The pattern: softmax of the scores. Each row adds up to 1; hatched places are later tokens, which the mask hides.",
  "The scores: query times key, scaled, before the mask. The hatched ones do not count.",
  "What was given: the weight times the length of the value vector.",
];
const MOST_SMALL = 128; // tokens; above this a small map would have less than a pixel for each

let kind = 0; // which of KINDS is shown

/**
 * Draw a pattern as a small picture.
 * @param {number[][]} rows
 * @param {string} name
 */
function smallMap(rows, name) {
  const size = rows.length;
  const canvas = /** @type {HTMLCanvasElement} */ (h("canvas", { width: size, height: size, "data-picture": name }));
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(size, size);
  rows.forEach((row, t) => {
    for (let s = 0; s <= t; s++) image.data.set([...colours(Number(row[s]), 1, false).rgb, 255], 4 * (t * size + s));
  });
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
  const map = (/** @type {number[][]} */ rows, /** @type {number} */ head) =>
    button(
      {
        class: "small-map",
        "data-key": `head ${head}`,
        "aria-pressed": String(head === run.head),
        onclick: () => go({ head }),
      },
      smallMap(rows, `${name} ${head}`),
      span(names[head]),
    );
  return div({ class: "small-maps", role: "group", "aria-label": "heads of this block" }, patterns.map(map));
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
  const cells = (/** @type {number} */ t) =>
    positions.map((s) => ({
      name: shown.name,
      index: [...shown.at, t, s],
      value: shown.values[t][s],
      masked: s > t,
      label: `${tokens[t].text} to ${tokens[s].text}`,
    }));
  const rows = positions.map((t) => ({ head: tokenName(tokens[t]), chosen: t === run.position, cells: cells(t) }));
  const end = mostOf(
    rows.flatMap((row) => row.cells).filter((cell) => !cell.masked),
    (cell) => cell,
  );
  return div(
    heatTable({
      caption: `${shown.name}, head ${run.head}: a row for each token that looks, a column for each that is looked at`,
      columns: positions.map((t) => tokenName(tokens[t])),
      rows,
      most: Math.abs(end?.value ?? 0),
      signed,
      dense: positions.length > 12,
    }),
    legend(KINDS[kind], end, signed),
  );
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
  const one = (/** @type {string} */ name, /** @type {number} */ s, text = "") => {
    const { name: full, at, values } = answer[name];
    return number(full, [...at, t, s], values[t][s], text ? { text } : {});
  };
  const given = answer.given.values[t];
  const most = Math.max(
    ...given
      .slice(0, t + 1)
      .map(Number)
      .filter(Number.isFinite),
    0,
  );
  const row = (/** @type {number} */ s) => [
    tokenName(tokens[s]),
    one("scores", s),
    one("pattern", s, percent(answer.pattern.values[t][s])),
    barred(one("given", s), given[s], most, false),
  ];
  const caption = ["What ", tokenName(tokens[t]), " takes, and from whom"];
  const seen = positions.filter((s) => s <= t);
  return div(
    table({ class: "list" }, caption, ["token", "score", "weight", "given"], seen.map(row)),
    note("given: the weight times the length of the value vector."),
  );
}

/** @type {import("./all.js").View} */
export default {
  plate: "III",
  title: "Attention",
  caption:
    "Every head of a block lets each token look at itself and at earlier tokens. A row is the token that looks; a column is the token that is looked at.",
  async show(run, go) {
    const [heads, answer] = await Promise.all([
      allHeads(run, go),
      run.ask({ ask: "attention", layer: run.layer, head: run.head }),
    ]);
    const positions = shownPositions(run.trace.ids.length, run.position);
    const show = (/** @type {number} */ chosen) => {
      kind = chosen;
      return go({});
    };
    return [
      blockPicker(run, go),
      heads,
      picker("show", KINDS, kind, show),
      note(ABOUT[kind]),
      partNote(positions, run.trace.ids.length),
      div({ class: "columns" }, large(run, answer[KINDS[kind]], positions), givers(run, answer, positions)),
    ];
  },
};
