// What several plates have in common.

import { AskError } from "../ask.js";
import { arrowKeys, button, div, h, note, p, scrolling, span, td } from "../dom.js";
import { float, number, short } from "../numbers.js";
import { cell } from "../scales.js";

/** @typedef {import("../run.js").Run} Run */
/** @typedef {import("../frame.js").Go} Go */
/** @typedef {import("../ask.js").Message} Message */
/** @typedef {import("../numbers.js").Value} Value */

const MOST_COLUMNS = 24; // of tokens that a table shows at once

/**
 * Return a token as it is written, with its id as a title.
 * @param {Message} token
 * @param {string} [kind]
 */
export function tokenName(token, kind = "") {
  return span({ class: `word ${kind}`.trim(), title: `id ${token.id}` }, token.shown);
}

/**
 * Return a line that says why a question has no answer; any other error is thrown again.
 * @param {unknown} error
 */
export function fault(error) {
  if (!(error instanceof AskError) || error.gone) throw error;
  return p({ class: "fault", role: "alert" }, error.message);
}

/**
 * Return a row of buttons of which one is chosen.
 * @param {string} label
 * @param {(string | number)[]} names
 * @param {number} chosen
 * @param {(index: number) => void} choose
 */
export function picker(label, names, chosen, choose) {
  const buttons = names.map((name, i) =>
    button({ "aria-pressed": String(i === chosen), "data-key": `${label} ${i}`, onclick: () => choose(i) }, name),
  );
  const attributes = { class: "picker", role: "group", "aria-label": label };
  const group = div(attributes, span({ class: "picker-label" }, label), buttons);
  arrowKeys(group, "button");
  return group;
}

/**
 * Return a picker of blocks.
 * @param {Run} run
 * @param {Go} go
 */
export function blockPicker(run, go) {
  const names = Array.from({ length: run.model.config.n_layer }, (_, i) => i);
  return picker("block", names, run.layer, (layer) => go({ layer }));
}

/**
 * Return the positions that a table shows: all, or those about `position`.
 * @param {number} count
 * @param {number} position
 */
export function shownPositions(count, position) {
  const first = Math.max(0, Math.min(position - MOST_COLUMNS + 6, count - MOST_COLUMNS));
  return Array.from({ length: Math.min(count, MOST_COLUMNS) }, (_, i) => first + i);
}

/**
 * Return a line that says what part of the tokens is shown; null if all are.
 * @param {number[]} shown
 * @param {number} count
 */
export function partNote(shown, count) {
  if (shown.length === count) return null;
  const ends = `${shown[0]} to ${shown[shown.length - 1]}`;
  return note(`Tokens ${ends} of ${count} are shown; choose another token above to see others.`);
}

/**
 * Return the number of largest size in a list; null in an empty one.
 * @template T
 * @param {T[]} list
 * @param {(one: T) => {name: string, index: number[], value: Value}} pick
 */
export function mostOf(list, pick) {
  /** @type {{name: string, index: number[], value: number} | null} */
  let most = null;
  for (const one of list) {
    const { name, index, value } = pick(one);
    const size = Math.abs(float(value));
    if (Number.isFinite(size) && (!most || size > Math.abs(most.value))) most = { name, index, value: float(value) };
  }
  return most;
}

/**
 * Return a cell with a number and a bar, whose length is the number's part of the largest.
 * @param {Node} shown
 * @param {Value} value
 * @param {number} most
 * @param {boolean} signed
 */
export function barred(shown, value, most, signed) {
  const part = Math.min(1, Math.abs(float(value) / most)) || 0;
  const side = signed ? (float(value) < 0 ? "negative" : "positive") : "one";
  const inside = h("i", { class: side, style: { width: `${100 * part}%` } });
  return td(
    { class: "with-bar" },
    shown,
    span({ class: signed ? "bar signed" : "bar", "aria-hidden": "true" }, inside),
  );
}

/**
 * @typedef {object} Cell
 * @property {string} name
 * @property {number[]} index
 * @property {Value} value
 * @property {string} [text] what is written in it; the number itself if left out
 * @property {string} [label] for a screen reader
 * @property {boolean} [masked]
 * @property {boolean} [plain] has no story
 */

/**
 * Return a table whose cells are coloured by their numbers.
 * @param {{caption: string, columns: Node[], rows: {head: Node, chosen?: boolean, cells: Cell[]}[],
 *   most: number, signed: boolean, dense?: boolean, class?: string}} table
 */
export function heatTable({ caption, columns, rows, most, signed, dense = false, class: kind = "" }) {
  const body = rows.map(({ head, chosen, cells }) =>
    h(
      "tr",
      { class: chosen ? "chosen" : undefined },
      h("th", { scope: "row" }, head),
      cells.map((one) => heatCell(one, most, signed, dense)),
    ),
  );
  const heads = columns.map((column) => h("th", { scope: "col" }, column));
  const element = h(
    "table",
    { class: `heat ${dense ? "dense" : ""} ${kind}` },
    h("caption", { class: "visually-hidden" }, caption),
    h("thead", {}, h("tr", {}, td(), heads)),
    h("tbody", {}, body),
  );
  arrowKeys(element, "td > .number", columns.length);
  return scrolling(caption, element);
}

/**
 * @param {Cell} one
 * @param {number} most
 * @param {boolean} signed
 * @param {boolean} dense
 */
function heatCell(one, most, signed, dense) {
  const shown = one.text ?? (dense ? "" : short(one.value, 2));
  const inside = number(one.name, one.index, one.value, { text: shown, label: one.label, plain: one.plain });
  if (!shown) inside.setAttribute("aria-label", `${one.label ?? ""} ${short(one.value)}`);
  if (one.masked) inside.classList.add("masked");
  const colours = one.masked ? {} : cell(float(one.value), most, signed);
  for (const [property, value] of Object.entries(colours)) inside.style.setProperty(property, value);
  return td(inside);
}
