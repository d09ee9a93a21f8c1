// Plate VIII: switch parts off, set numbers, patch from another prompt; before and after side by side.

import { button, div, h, note, p, scrolling, table } from "../dom.js";
import { number, percent, short } from "../numbers.js";
import { legend } from "../scales.js";
import { fault, heatTable, mostOf, partNote, picker, shownPositions, tokenName } from "./parts.js";

/** @typedef {import("../run.js").Run} Run */
/** @typedef {import("../frame.js").Go} Go */
/** @typedef {import("../ask.js").Message} Message */

const KINDS = ["resid_pre", "resid_mid", "resid_post", "attn.z", "attn.c_proj", "mlp.c_proj"];
let kind = 0; // what the sweep patches
let swept = ""; // the sweep that was asked for: its texts as JSON

/**
 * @param {any} one
 * @param {any} other
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
 * A table of switches: a row a block, a column a head, and the feed-forward network.
 * @param {Run} run
 * @param {Go} go
 */
function switches(run, go) {
  const { n_layer: layers, n_head: heads } = run.model.config;
  const one = (/** @type {Message} */ change, /** @type {string} */ label) => {
    const isOff = run.state.change.some((other) => same(other, change));
    const word = isOff ? "off" : "on";
    const attributes = {
      class: "switch",
      "data-key": label,
      "aria-pressed": String(isOff),
      "aria-label": `${label}: ${word}`,
    };
    return button({ ...attributes, onclick: () => toggle(run, go, change) }, word);
  };
  const count = (/** @type {number} */ length) => Array.from({ length }, (_, i) => i);
  const rows = count(layers).map((layer) => [
    `block ${layer}`,
    ...count(heads).map((head) => one({ kind: "ablate_head", layer, head }, `head ${head} of block ${layer}`)),
    one({ kind: "ablate_mlp", layer }, `feed-forward of block ${layer}`),
  ]);
  const names = ["", ...count(heads).map((head) => `head ${head}`), "feed-forward"];
  return scrolling("switches", table({ class: "switches" }, ["Switch a part off"], names, rows));
}

/** @param {Message} change */
function said(change) {
  const { layer, head, name, index, value, position } = change;
  if (change.kind === "ablate_head") return `head ${head} of block ${layer} is off`;
  if (change.kind === "ablate_mlp") return `feed-forward of block ${layer} is off`;
  return change.kind === "set"
    ? `${name}[${index.join("][")}] is set to ${value}`
    : `${name} at token ${position} comes from another run`;
}

/**
 * The changes in force, each with a button that takes it away.
 * @param {Run} run
 * @param {Go} go
 */
function inForce(run, go) {
  const { change } = run.state;
  if (!change.length)
    return note("Nothing is changed yet. To set a number, click it on any plate and give it another value.");
  const undo = (/** @type {Message} */ one) => button({ onclick: () => toggle(run, go, one) }, "undo");
  return h(
    "ul",
    { class: "changes" },
    change.map((one) => h("li", { "data-setting": true }, said(one), " ", undo(one))),
  );
}

/**
 * The likeliest tokens, before and after.
 * @param {Run} run
 */
async function sideBySide(run) {
  const ask = { ask: "next", position: run.position, temperature: 1, top_k: 0, top_p: 1, seed: 0, limit: 12 };
  const isChanged = run.state.change.length > 0;
  const list = async (/** @type {string} */ title, /** @type {boolean} */ clean) => {
    const answer = await run.ask(clean ? { ...ask, clean } : ask);
    const plain = clean && isChanged; // its stories would be those of the changed run
    const row = (/** @type {Message} */ { token, logit, probability }) => {
      const index = [answer.position, token.id];
      const part = number("probabilities", index, probability, { text: percent(probability), plain });
      return [tokenName(token), number("logits", index, logit, { plain }), part];
    };
    const attributes = { class: "list", "data-run": plain ? "clean" : undefined };
    return table(attributes, [title], ["token", "logit", "probability"], answer.tokens.map(row));
  };
  if (!isChanged) return list("The likeliest tokens", false);
  return div({ class: "columns even" }, await list("Before", true), await list("After", false));
}

/**
 * What is asked of a sweep: a second prompt and two tokens.
 * @param {Run} run
 * @param {Go} go
 * @param {Node | null} why the last one has no answer
 */
function sweepForm(run, go, why) {
  const field = (/** @type {"corrupt" | "answer" | "wrong"} */ name, /** @type {string} */ label) =>
    h(
      "label",
      {},
      label,
      h("input", { name, id: `sweep-${name}`, value: run.state[name], required: true, spellcheck: "false" }),
    );
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const texts = Object.fromEntries(new FormData(/** @type {HTMLFormElement} */ (event.target)));
    swept = JSON.stringify(texts);
    return go(texts);
  };
  return h(
    "form",
    { class: "sweep", onsubmit: submit },
    field("corrupt", "second prompt, with as many tokens"),
    field("answer", "answer: one token, with its space"),
    field("wrong", "wrong answer: one token"),
    button({ type: "submit", class: "primary" }, "Sweep"),
    why,
  );
}

/**
 * Patch every block and position, one at a time, and show what that does.
 * @param {Run} run
 */
async function sweepMap(run) {
  const { prompt, corrupt, answer, wrong, engine, precision } = run.state;
  if (!corrupt || swept !== JSON.stringify({ corrupt, answer, wrong })) return [];
  const fields = { clean: prompt, corrupt, answer, wrong, kind: KINDS[kind], engine, precision };
  const found = await run.question({ ask: "sweep", ...fields });
  const { tokens } = found.corrupt;
  const [to, from] = [Number(found.clean.difference), Number(found.corrupt.difference)];
  const shown =
    to === from ? "difference of logits (both runs have the same)" : "part of the difference that comes back; 1: all";
  const positions = shownPositions(tokens.length, Math.min(run.position, tokens.length - 1));
  const cell = (/** @type {any} */ value, /** @type {number[]} */ index) => {
    const label = `block ${index[0]}, token ${index[1]}`;
    const share = (Number(value) - from) / (to - from);
    return to === from
      ? { name: "sweep.differences", index, value, label, plain: true }
      : { name: "sweep.shares", index, value: share, text: `${short(100 * share, 2)} %`, label, plain: true };
  };
  const rows = found.differences.map((/** @type {any[]} */ row, /** @type {number} */ layer) => ({
    head: h("span", {}, `block ${layer}`),
    cells: positions.map((t) => cell(row[t], [layer, t])),
  }));
  const end = mostOf(
    rows.flatMap((/** @type {Message} */ row) => row.cells),
    (one) => /** @type {any} */ (one),
  );
  const run_of = (/** @type {string} */ label, /** @type {"clean" | "corrupt"} */ which) =>
    p(`${label}, unchanged: `, number(`sweep.${which}`, [], found[which].difference, { plain: true }));
  return [
    note(
      "The difference is the logit of ",
      tokenName(found.answer),
      " minus the logit of ",
      tokenName(found.wrong),
      ". Each place is a run of the second prompt in which this block's value at this token comes from the run of the first.",
    ),
    run_of("first prompt", "clean"),
    run_of("second prompt", "corrupt"),
    partNote(positions, tokens.length),
    heatTable({
      caption: shown,
      columns: positions.map((t) => tokenName(tokens[t])),
      rows,
      most: Math.abs(end?.value ?? 0),
      signed: true,
    }),
    legend(shown, end && { ...end, plain: true }, true),
  ];
}

/** @type {import("./all.js").View} */
export default {
  plate: "VIII",
  title: "Change it",
  caption:
    "What does a part do? Switch it off, or give it a value from another prompt, and look at what the model says then. All plates show the changed run until you undo it.",
  async show(run, go) {
    const [lists, sweep] = [await sideBySide(run), await sweepMap(run).catch(fault)];
    const choose = (/** @type {number} */ chosen) => {
      kind = chosen;
      return go({});
    };
    return [
      inForce(run, go),
      lists,
      switches(run, go),
      h("h3", {}, "Patch from this prompt into a second one"),
      sweepForm(run, go, Array.isArray(sweep) ? null : sweep),
      picker("value", KINDS, kind, choose),
      ...(Array.isArray(sweep) ? sweep : []),
    ];
  },
};
