// One number: how it came to be, from its operands, each of which has a story of its own.

import { byId, h } from "./dom.js";
import { number, repr, short } from "./numbers.js";
import { setForm } from "./views/change.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./frame.js").Go} Go */
/** @typedef {import("./ask.js").Message} Message */

/**
 * Listen for clicks on numbers, wherever they are.
 * @param {Go} go
 */
function wire(go) {
  document.addEventListener("click", (event) => {
    const clicked = /** @type {Element} */ (event.target).closest("button[data-name]");
    if (clicked) go({ story: `${clicked.getAttribute("data-name")} ${clicked.getAttribute("data-index")}` });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !byId("story").hidden) go({ story: "" });
  });
}

let wired = false;
let opener = ""; // what had the focus when the story was opened

/**
 * Show the story that the state names, or none.
 * @param {Run} run
 * @param {Go} go
 * @param {() => boolean} isCurrent
 */
export async function showStory(run, go, isCurrent) {
  if (!wired) wire(go);
  wired = true;
  const panel = byId("story");
  const { story } = run.state;
  document.body.classList.toggle("has-story", story !== "");
  if (!story) {
    const wasInside = panel.contains(document.activeElement);
    panel.hidden = true;
    panel.replaceChildren();
    if (wasInside) /** @type {HTMLElement | null} */ (document.querySelector(opener))?.focus();
    return;
  }
  const [name, index = ""] = story.split(" ");
  const answer = await run.ask({ ask: "number", name, index: index === "" ? [] : index.split(",").map(Number) });
  if (!isCurrent()) return;
  if (panel.hidden) opener = `[data-name="${CSS.escape(name)}"][data-index="${CSS.escape(index)}"]`;
  const isOther = panel.dataset.shown !== story;
  panel.dataset.shown = story;
  panel.hidden = false;
  const title = h("h2", { tabindex: "-1" }, h("code", {}, answer.name), h("span", { class: "at" }, answer.index.map((/** @type {number} */ i) => `[${i}]`).join("")));
  panel.replaceChildren(
    h("div", { class: "story-bar" }, h("button", { type: "button", class: "quiet", onclick: () => history.back() }, "← back"), h("button", { type: "button", class: "quiet", id: "close-story", onclick: () => go({ story: "" }) }, "close ✕")),
    title,
    ...content(run, go, answer),
  );
  if (isOther) {
    panel.scrollTop = 0;
    title.focus({ preventScroll: innerWidth > 900 });
  }
}

/**
 * @param {Run} run
 * @param {Go} go
 * @param {Message} answer
 */
function content(run, go, answer) {
  return [
    h("p", { class: "exact-value" }, number(answer.name, answer.index, answer.value, { text: repr(answer.value), plain: true })),
    h("p", { class: "about" }, answer.about),
    h("p", { class: "shape" }, `shape [${answer.shape.join("][")}], a ${answer.kind}`),
    answer.formula ? h("p", { class: "formula" }, answer.formula) : null,
    answer.lines.length ? h("ol", { class: "story-lines" }, answer.lines.map((/** @type {Message} */ one, /** @type {number} */ n) => line(answer, one, n))) : null,
    answer.rounding ? rounding(answer) : null,
    answer.change ? h("p", { class: "changed" }, answer.change.text, " Before: ", number(`${answer.name}.before`, answer.index, answer.change.before, { plain: true })) : null,
    answer.stored ? h("p", { class: "stored" }, "Stored as ", h("code", {}, answer.stored.tensor), ` (${answer.stored.dtype}) in ${answer.stored.file}.`) : null,
    answer.kind === "value" ? setForm(run, go, answer) : null,
    answer.source ? source(answer.source) : null,
  ].filter((one) => one !== null);
}

/**
 * @param {Message} answer
 * @param {Message} one
 * @param {number} n
 */
function line(answer, one, n) {
  const isDot = one.operands.some((/** @type {Message} */ operand) => operand.factors);
  const shown = (/** @type {Message} */ operand) =>
    operand.name
      ? number(operand.name, operand.index, operand.value, { label: operand.label })
      : number(`${answer.name}.line.${operand.line ?? n}`, answer.index, operand.value, { plain: true });
  const rows = one.operands.map((/** @type {Message} */ operand) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, operand.label),
      operand.factors ? h("td", { class: "factors" }, shown(operand.factors[0]), " × ", shown(operand.factors[1]), " =") : null,
      h("td", {}, shown(operand)),
    ),
  );
  const rest = one.rest
    ? h("tr", { class: "rest" }, h("th", { scope: "row", colspan: isDot ? 2 : 1 }, `${one.rest.count} smaller terms together`), h("td", {}, one.rest.values.map((/** @type {number} */ value, /** @type {number} */ i) => [i ? " + " : "", number(`${answer.name}.line.${n}`, answer.index, value, { plain: true })]).flat()))
    : null;
  return h(
    "li",
    {},
    h("p", { class: "rule" }, h("b", {}, one.label), one.formula ? h("span", { class: "formula" }, one.formula) : null),
    rows.length || rest ? h("table", { class: "operands" }, h("tbody", {}, rows, rest)) : null,
    h("p", { class: "equals" }, "= ", number(`${answer.name}.line.${n}`, answer.index, one.value, { text: repr(one.value), plain: true })),
  );
}

/** @param {Message} answer */
function rounding(answer) {
  const { value, bound, text } = answer.rounding;
  const plain = { plain: true };
  return h(
    "div",
    { class: "rounding" },
    h("h3", {}, "Rounding of the packed engine"),
    h("p", {}, "It adds ", number(`${answer.name}.rounding`, answer.index, value, plain), ", at most ", number(`${answer.name}.rounding.bound`, answer.index, bound, { plain: true, text: short(bound) }), " in size. ", text),
  );
}

/** @param {Message} source */
function source(source) {
  return h(
    "details",
    { class: "source", open: true },
    h("summary", {}, h("code", {}, `${source.function}`), ` in ${source.file}, line ${source.line}`),
    h("pre", { tabindex: "0" }, h("code", {}, source.lines.join("\n"))),
  );
}
