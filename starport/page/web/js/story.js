// One number: how it came to be, from its operands, each of which has a story of its own.

import { button, byId, code, div, h, p, rowHead, span, td } from "./dom.js";
import { number, repr, short } from "./numbers.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./frame.js").Go} Go */
/** @typedef {import("./ask.js").Message} Message */

const WIDE = 960; // pixels: from here on the story stands beside the plate

let wired = false;
let opener = ""; // the number whose click opened the story

/**
 * Listen for clicks on numbers, wherever they are.
 * @param {Go} go
 */
function wire(go) {
  wired = true;
  document.addEventListener("click", (event) => {
    const clicked = /** @type {HTMLElement | null} */ (
      /** @type {Element} */ (event.target).closest("button[data-name]")
    );
    if (clicked) go({ story: `${clicked.dataset.name} ${clicked.dataset.index}` });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !byId("story").hidden) go({ story: "" });
  });
}

/**
 * Show the story that the state names, or none.
 * @param {Run} run
 * @param {Go} go
 * @param {() => boolean} isCurrent
 */
export async function showStory(run, go, isCurrent) {
  if (!wired) wire(go);
  const panel = byId("story");
  const { story } = run.state;
  document.body.classList.toggle("has-story", story !== "");
  if (!story) {
    const hadFocus = panel.contains(document.activeElement);
    panel.hidden = true;
    panel.dataset.shown = "";
    panel.replaceChildren();
    if (hadFocus) /** @type {HTMLElement | null} */ (document.querySelector(`#plate ${opener}`))?.focus();
    return;
  }
  const [name, places = ""] = story.split(" ");
  const index = places.split(",").filter(Boolean).map(Number);
  const answer = await run.ask({ ask: "number", name, index });
  if (!isCurrent()) return;
  if (panel.hidden) opener = `[data-name="${CSS.escape(name)}"][data-index="${places}"]`;
  const isOther = panel.dataset.shown !== story;
  panel.dataset.shown = story;
  panel.hidden = false;
  const title = h(
    "h2",
    { tabindex: "-1" },
    code(name),
    span(
      { class: "at" },
      index.map((i) => `[${i}]`),
    ),
  );
  const bar = div(
    { class: "story-bar" },
    button({ class: "quiet", onclick: () => history.back() }, "← back"),
    button({ class: "quiet", id: "close-story", onclick: () => go({ story: "" }) }, "close ✕"),
  );
  panel.replaceChildren(bar, title, ...content(run, go, answer).filter((one) => one !== null));
  if (!isOther) return;
  panel.scrollTop = 0;
  title.focus({ preventScroll: innerWidth >= WIDE });
}

/**
 * @param {Run} run
 * @param {Go} go
 * @param {Message} answer
 */
function content(run, go, answer) {
  const { name, index, value, change, stored, source } = answer;
  const shape = answer.shape.length ? `[${answer.shape.join("][")}]` : "of a single number";
  return [
    p({ class: "exact-value" }, number(name, index, value, { text: repr(value), plain: true })),
    p({ class: "about" }, answer.about),
    p({ class: "shape" }, `shape ${shape}, a ${answer.kind}`),
    answer.formula ? p({ class: "formula" }, answer.formula) : null,
    answer.lines.length
      ? h(
          "ol",
          { class: "story-lines" },
          answer.lines.map((/** @type {Message} */ one, /** @type {number} */ n) => line(answer, one, n)),
        )
      : null,
    answer.rounding ? rounding(answer) : null,
    change
      ? p(
          { class: "changed" },
          change.text,
          " Before: ",
          number(`${name}.before`, index, change.before, { plain: true }),
        )
      : null,
    stored ? p({ class: "stored" }, "Stored as ", code(stored.tensor), ` (${stored.dtype}) in ${stored.file}.`) : null,
    answer.kind === "value" ? setForm(run, go, answer) : null,
    source ? sourceOf(source) : null,
  ];
}

/**
 * A step of the computation: its operands and what comes out.
 * @param {Message} answer
 * @param {Message} one
 * @param {number} n
 */
function line(answer, one, n) {
  const unnamed = (/** @type {any} */ value, /** @type {number} */ from = n, text = short(value)) =>
    number(`${answer.name}.line.${from}`, answer.index, value, { text, plain: true });
  const shown = (/** @type {Message} */ { name, index, value, label, line: from }) =>
    name ? number(name, index, value, { label }) : unnamed(value, from);
  const row = (/** @type {Message} */ operand) => {
    const [left, right] = operand.factors ?? [];
    const factors = left ? td({ class: "factors" }, shown(left), " × ", shown(right), " =") : null;
    return h("tr", {}, rowHead(operand.label), factors, td(shown(operand)));
  };
  const { operands, rest } = one;
  const rows = operands.map(row);
  if (rest) {
    const sums = rest.values.map((/** @type {number} */ value, /** @type {number} */ i) => [
      i ? " + " : "",
      unnamed(value),
    ]);
    const colspan = operands.some((/** @type {Message} */ operand) => operand.factors) ? 2 : 1;
    rows.push(h("tr", { class: "rest" }, rowHead({ colspan }, `${rest.count} smaller ones together`), td(sums.flat())));
  }
  return h(
    "li",
    {},
    p({ class: "rule" }, h("b", {}, one.label), one.formula ? span({ class: "formula" }, one.formula) : null),
    rows.length ? h("table", { class: "operands" }, h("tbody", {}, rows)) : null,
    p({ class: "equals" }, "= ", unnamed(one.value, n, repr(one.value))),
  );
}

/** @param {Message} answer */
function rounding({ name, index, rounding: { value, bound, text } }) {
  const added = number(`${name}.rounding`, index, value, { plain: true });
  const most =
    bound === null ? [] : ["; its size is at most ", number(`${name}.rounding.bound`, index, bound, { plain: true })];
  return div(
    { class: "rounding" },
    h("h3", {}, "Rounding of the packed engine"),
    p("It adds ", added, ...most, ". ", text),
  );
}

/** @param {Message} source */
function sourceOf({ function: name, file, line: first, lines }) {
  return h(
    "details",
    { class: "source", open: true },
    h("summary", {}, code(name), ` in ${file}, line ${first}`),
    h("pre", { tabindex: "0" }, code(lines.join("\n"))),
  );
}

/**
 * A form that sets a number to another value.
 * @param {Run} run
 * @param {Go} go
 * @param {Message} answer
 */
function setForm(run, go, { name, index, value }) {
  const field = /** @type {HTMLInputElement} */ (
    h("input", { id: "set-value", value: repr(value), inputmode: "decimal", size: 20, "data-setting": true })
  );
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const wanted = Number(field.value.replace("−", "-"));
    const isNumber = field.value.trim() !== "" && Number.isFinite(wanted);
    field.setCustomValidity(isNumber ? "" : "Write a number, such as 0 or -1.5");
    if (!field.reportValidity()) return;
    const others = run.state.change.filter((one) => one.name !== name || String(one.index) !== String(index));
    go({ change: [...others, { kind: "set", name, index, value: wanted }] });
  };
  field.addEventListener("input", () => field.setCustomValidity(""));
  const label = h("label", { for: "set-value" }, "set it to");
  return h("form", { class: "inline", onsubmit: submit }, label, field, button({ type: "submit" }, "Change it"));
}
