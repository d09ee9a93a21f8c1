// What several plates have in common.

import { arrowKeys, h } from "../dom.js";
import { number, short } from "../numbers.js";
import { cell } from "../scales.js";

/** @typedef {import("../run.js").Run} Run */
/** @typedef {import("../frame.js").Go} Go */
/** @typedef {import("../ask.js").Message} Message */

const MOST_COLUMNS = 24; // of tokens that a table shows at once

/**
 * Return a token as it is written, with its id as a title.
 * @param {Message} token
 * @param {string} [kind]
 */
export function tokenName(token, kind = "") {
  return h("span", { class: `word ${kind}`.trim(), title: `id ${token.id}` }, token.shown);
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
    h("button", { type: "button", "aria-pressed": String(i === chosen), "data-key": `${label} ${i}`, onclick: () => choose(i) }, name),
  );
  const group = h("div", { class: "picker", role: "group", "aria-label": label }, h("span", { class: "picker-label" }, label), buttons);
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
  return h("p", { class: "note" }, `Tokens ${shown[0]} to ${shown[shown.length - 1]} of ${count} are shown; choose another token above to see others.`);
}

/**
 * Return a bar whose length is a number's part of the largest.
 * @param {number} value
 * @param {number} most
 * @param {boolean} signed
 */
export function bar(value, most, signed) {
  const part = most > 0 ? Math.min(1, Math.abs(value) / most) : 0;
  const side = signed ? (value < 0 ? "negative" : "positive") : "one";
  return h(
    "span",
    { class: `bar ${signed ? "signed" : ""}`, "aria-hidden": "true" },
    h("i", { class: side, style: { width: `${100 * part}%` } }),
  );
}

/**
 * @typedef {object} Cell
 * @property {string} name
 * @property {number[]} index
 * @property {number} value
 * @property {string} [text] what is written in it; the number itself if left out
 * @property {string} [label] for a screen reader
 * @property {boolean} [masked]
 * @property {boolean} [plain] has no story
 */

/**
 * Return a table whose cells are coloured by their numbers.
 * @param {{caption: string, columns: Node[], rows: {head: Node, chosen?: boolean, cells: (Cell | null)[]}[],
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
  const element = h(
    "table",
    { class: `heat ${dense ? "dense" : ""} ${kind}` },
    h("caption", { class: "visually-hidden" }, caption),
    h("thead", {}, h("tr", {}, h("td"), columns.map((column) => h("th", { scope: "col" }, column)))),
    h("tbody", {}, body),
  );
  arrowKeys(element, "td > button", rows[0]?.cells.filter(Boolean).length);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, element);
}

/**
 * @param {Cell | null} one
 * @param {number} most
 * @param {boolean} signed
 * @param {boolean} dense
 */
function heatCell(one, most, signed, dense) {
  if (!one) return h("td", { class: "empty" });
  const shown = one.text ?? (dense ? "" : short(one.value, 2));
  const inside = number(one.name, one.index, one.value, { text: shown, label: one.label, plain: one.plain });
  if (!shown) inside.setAttribute("aria-label", `${one.label ?? ""} ${short(one.value)}`);
  if (one.masked) inside.classList.add("masked");
  else {
    for (const [property, value] of Object.entries(cell(one.value, most, signed))) inside.style.setProperty(property, value);
  }
  return h("td", {}, inside);
}

/**
 * Return the largest size among numbers, and where it is.
 * @param {number[]} values
 */
export function largest(values) {
  let at = 0;
  values.forEach((value, i) => {
    if (Math.abs(value) > Math.abs(values[at]) || Number.isNaN(values[at])) at = i;
  });
  return { at, most: Math.abs(values[at] ?? 0) };
}
