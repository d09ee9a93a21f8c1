// Plate VIII: switch parts off, set numbers, patch from another prompt; before and after side by side.

import { byId, h } from "../dom.js";
import { number, percent, repr, short } from "../numbers.js";
import { legend } from "../scales.js";
import { heatTable, largest, partNote, picker, shownPositions, tokenName } from "./parts.js";

/** @typedef {import("../run.js").Run} Run */
/** @typedef {import("../frame.js").Go} Go */
/** @typedef {import("../ask.js").Message} Message */

const KINDS = ["resid_pre", "resid_mid", "resid_post", "attn.z", "mlp.c_proj"];
let kind = 0; // what the sweep patches
let swept = ""; // the sweep that was asked for: its fields as JSON

/**
 * @param {Message} one
 * @param {Message} other
 */
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/**
 * Add a change, or take it away if it is there.
 * @param {Run} run
 * @param {Go} go
 * @param {Message} change
 */
function toggle(run, go, change) {
  const others = run.state.change.filter((one) => !same(one, change));
  return go({ change: others.length < run.state.change.length ? others : [...others, change] });
}

/**
 * A grid of switches: a row a block, a column a head, and the feed-forward network.
 * @param {Run} run
 * @param {Go} go
 */
function switches(run, go) {
  const { n_layer: layers, n_head: heads } = run.model.config;
  const one = (/** @type {Message} */ change, /** @type {string} */ label) => {
    const isOff = run.state.change.some((other) => same(other, change));
    return h("td", {}, h("button", { type: "button", class: "switch", "data-key": label, "aria-pressed": String(isOff), "aria-label": `switch off ${label}`, onclick: () => toggle(run, go, change) }, isOff ? "off" : "on"));
  };
  const rows = Array.from({ length: layers }, (_, layer) =>
    h("tr", {}, h("th", { scope: "row" }, `block ${layer}`), Array.from({ length: heads }, (_, head) => one({ kind: "ablate_head", layer, head }, `head ${head} of block ${layer}`)), one({ kind: "ablate_mlp", layer }, `feed-forward of block ${layer}`)),
  );
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "switches" }, h("table", { class: "switches" }, h("caption", {}, "Switch a part off"), h("thead", {}, h("tr", {}, h("td"), Array.from({ length: heads }, (_, head) => h("th", { scope: "col" }, `head ${head}`)), h("th", { scope: "col" }, "feed-forward"))), h("tbody", {}, rows)));
}

/**
 * The changes in force, each with a button that takes it away.
 * @param {Run} run
 * @param {Go} go
 */
function inForce(run, go) {
  const said = (/** @type {Message} */ c) =>
    c.kind === "set" ? `${c.name}[${c.index.join("][")}] is set to ${c.value}` : c.kind === "ablate_head" ? `head ${c.head} of block ${c.layer} is off` : c.kind === "ablate_mlp" ? `feed-forward of block ${c.layer} is off` : `${c.name} at token ${c.position} comes from another run`;
  if (!run.state.change.length) return h("p", { class: "note" }, "Nothing is changed yet: before and after are the same. To set a number, click it anywhere and give it another value.");
  return h("ul", { class: "changes" }, run.state.change.map((change) => h("li", { "data-setting": true }, said(change), " ", h("button", { type: "button", onclick: () => toggle(run, go, change) }, "undo"))));
}

/**
 * The likeliest tokens, before and after.
 * @param {Run} run
 */
async function sideBySide(run) {
  const ask = { ask: "next", position: run.position, temperature: 1, top_k: 0, top_p: 1, seed: 0, limit: 12 };
  const [before, after] = await Promise.all([run.ask({ ...ask, clean: true }), run.ask(ask)]);
  const table = (/** @type {string} */ title, /** @type {Message} */ answer, /** @type {boolean} */ isPlain) =>
    h(
      "table",
      { class: "list", "data-run": isPlain ? "clean" : "changed" },
      h("caption", {}, title),
      h("thead", {}, h("tr", {}, ["token", "logit", "probability"].map((head) => h("th", { scope: "col" }, head)))),
      h(
        "tbody",
        {},
        answer.tokens.map((/** @type {Message} */ row) =>
          h("tr", {}, h("th", { scope: "row" }, tokenName(row.token)), h("td", {}, number("logits", [answer.position, row.token.id], row.logit, { plain: isPlain })), h("td", {}, number("probabilities", [answer.position, row.token.id], row.probability, { text: percent(row.probability), plain: isPlain }))),
        ),
      ),
    );
  return h("div", { class: "columns even" }, table("Before", before, run.state.change.length > 0), table("After", after, false));
}

/**
 * Patch from a clean prompt into a corrupt one, every block and position in one sweep.
 * @param {Run} run
 * @param {Go} go
 */
function sweepForm(run, go) {
  const { state } = run;
  const field = (/** @type {"corrupt" | "answer" | "wrong"} */ name, /** @type {string} */ label, /** @type {string} */ example) =>
    h("label", {}, label, h("input", { id: `sweep-${name}`, value: state[name], placeholder: example, required: true, spellcheck: "false" }));
  const text = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (byId(`sweep-${name}`)).value;
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const fields = { corrupt: text("corrupt"), answer: text("answer"), wrong: text("wrong") };
    swept = JSON.stringify(fields);
    go(fields);
  };
  return h("form", { class: "sweep", onsubmit: submit }, field("corrupt", "second prompt, with as many tokens", "Once upon a day"), field("answer", "answer, one token", " was"), field("wrong", "wrong answer, one token", " the"), h("button", { type: "submit", class: "primary" }, "Sweep"));
}

/**
 * @param {Run} run
 */
async function sweepMap(run) {
  const { prompt, corrupt, answer, wrong, engine, precision } = run.state;
  if (swept !== JSON.stringify({ corrupt, answer, wrong }) || !corrupt) return [];
  const found = await run.question({ ask: "sweep", clean: prompt, corrupt, answer, wrong, kind: KINDS[kind], engine, precision });
  const positions = shownPositions(found.corrupt.tokens.length, run.position);
  const values = found.differences.map((/** @type {any[]} */ row) => row.map(Number));
  const centre = Number(found.corrupt.difference);
  const far = largest(values.flat().map((/** @type {number} */ v) => v - centre)).most;
  const rows = values.map((/** @type {number[]} */ row, /** @type {number} */ layer) => ({
    head: h("span", {}, `block ${layer}`),
    cells: positions.map((t) => ({ name: "sweep.differences", index: [layer, t], value: row[t], label: `block ${layer}, token ${t}`, plain: true })),
  }));
  const table = heatTable({ caption: "difference of the two logits after patching", columns: positions.map((t) => tokenName(found.corrupt.tokens[t])), rows, most: Math.max(...values.flat().map(Math.abs)), signed: true });
  const line = (/** @type {string} */ label, /** @type {"clean" | "corrupt"} */ which) => h("p", {}, `${label}: `, number(`sweep.${which}`, [], found[which].difference, { plain: true }));
  return [
    h("p", { class: "note" }, "Each place: the run of the second prompt, in which this block's value at this token comes from the run of the first. Shown is the logit of ", tokenName(found.answer), " minus the logit of ", tokenName(found.wrong), "."),
    line("first prompt, unchanged", "clean"),
    line("second prompt, unchanged", "corrupt"),
    partNote(positions, found.corrupt.tokens.length),
    table,
    legend(`difference of logits; patching changed it by at most ${short(far, 2)}`, Math.max(...values.flat().map(Math.abs)), true),
  ].filter((one) => one !== null);
}

/**
 * A form that sets a number to another value.
 * @param {Run} run
 * @param {Go} go
 * @param {Message} answer the story of the number
 */
export function setForm(run, go, answer) {
  const input = /** @type {HTMLInputElement} */ (h("input", { id: "set-value", value: repr(answer.value), inputmode: "decimal", size: 22, "data-setting": true }));
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const value = Number(input.value.replace("−", "-"));
    input.setCustomValidity(input.value.trim() === "" || !Number.isFinite(value) ? "Write a number, such as 0 or -1.5" : "");
    if (!input.reportValidity()) return;
    const others = run.state.change.filter((one) => !(one.kind === "set" && one.name === answer.name && same(one.index, answer.index)));
    go({ change: [...others, { kind: "set", name: answer.name, index: answer.index, value }] });
  };
  return h("form", { class: "inline", onsubmit: submit }, h("label", { for: "set-value" }, "set it to"), input, h("button", { type: "submit" }, "Change it"));
}

/** @type {import("./all.js").View} */
export default {
  plate: "VIII",
  title: "Change it",
  caption: "What does a part do? Switch it off, or give it a value from another prompt, and look at what the model says then. All plates show the changed run until you undo it.",
  async show(run, go) {
    const tables = await sideBySide(run);
    const sweep = await sweepMap(run);
    return [
      inForce(run, go),
      tables,
      switches(run, go),
      h("h3", {}, "Patch from this prompt into a second one"),
      sweepForm(run, go),
      picker("value", KINDS, kind, (chosen) => {
        kind = chosen;
        go({});
      }),
      ...sweep,
    ];
  },
};
