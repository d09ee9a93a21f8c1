// Plate VII: from logits to one token: temperature, the two filters, and the draw.

import { h } from "../dom.js";
import { number, percent, short } from "../numbers.js";
import { bar, tokenName } from "./parts.js";

/** @typedef {import("../run.js").Run} Run */
/** @typedef {import("../frame.js").Go} Go */
/** @typedef {import("../ask.js").Message} Message */

const ROWS = 40; // more of them come with a button

let search = "";
let shown = ROWS;

/**
 * A slider with its number; the number can be typed too.
 * @param {string} label
 * @param {{min: number, max: number, step: number, value: number, help: string}} range
 * @param {(value: number) => void} change
 */
function slider(label, range, change) {
  const id = label.replace(/\W+/g, "-");
  const { min, max, step, value, help } = range;
  const heard = (/** @type {Event} */ event) => {
    const field = /** @type {HTMLInputElement} */ (event.target);
    if (field.value !== "" && field.checkValidity()) change(Number(field.value));
    else field.reportValidity();
  };
  const field = h("input", { type: "number", id, min, max: label === "seed" ? undefined : max, step, value, onchange: heard, "data-setting": true });
  const track = h("input", { type: "range", "aria-label": `${label}, slider`, "data-key": `slider ${label}`, min, max, step, value: Math.min(value, max), onchange: heard });
  track.addEventListener("input", () => (/** @type {HTMLInputElement} */ (field).value = /** @type {HTMLInputElement} */ (track).value));
  return h("div", { class: "slider" }, h("label", { for: id }, label), field, label === "seed" ? null : track, h("small", {}, help));
}

/**
 * @param {Run} run
 * @param {Go} go
 */
function settings(run, go) {
  const { temperature, top_k, top_p, seed } = run.state;
  const most = run.model.config.vocab_size;
  return h(
    "div",
    { class: "settings" },
    slider("temperature", { min: 0, max: 2, step: 0.05, value: temperature, help: "divides the logits; 0: always the likeliest" }, (value) => go({ temperature: value })),
    slider("top-k", { min: 0, max: Math.min(most, 200), step: 1, value: top_k, help: "keeps the k likeliest; 0: all" }, (value) => go({ top_k: value })),
    slider("top-p", { min: 0.01, max: 1, step: 0.01, value: top_p, help: "keeps the likeliest that add up to p" }, (value) => go({ top_p: value })),
    slider("seed", { min: 0, max: 2 ** 32 - 1, step: 1, value: seed, help: "the same seed draws the same tokens" }, (value) => go({ seed: value })),
  );
}

/**
 * @param {Message} answer
 * @param {Message} row
 * @param {number} most
 */
function line(answer, row, most) {
  const index = [answer.position, row.token.id];
  const one = (/** @type {string} */ name, /** @type {import("../numbers.js").Value | null} */ value, /** @type {string} */ text = "") =>
    value === null ? h("td", { class: "none" }, "–") : h("td", {}, number(name, index, value, { text: text || short(value), plain: name.startsWith("next.") }));
  const kept = row.kept_by_top_k && row.kept_by_top_p;
  const isDrawn = row.token.id === answer.drawn.token.id;
  const why = kept ? "kept" : row.kept_by_top_k ? "cut by top-p" : "cut by top-k";
  return h(
    "tr",
    { class: `${kept ? "kept" : "cut"} ${isDrawn ? "drawn" : ""}` },
    h("td", { class: "rank" }, row.rank + 1),
    h("th", { scope: "row" }, tokenName(row.token)),
    one("logits", row.logit),
    h("td", { class: "with-bar" }, number("probabilities", index, row.probability, { text: percent(row.probability) }), bar(Number(row.probability), most, false)),
    h("td", { class: "why" }, isDrawn ? "drawn" : why),
    one("next.scaled", row.scaled),
    one("next.chance", row.chance, row.chance === null ? "" : percent(row.chance)),
    one("next.time", row.time),
    one("next.score", row.score),
  );
}

const HEADS = ["rank", "token", "logit", "probability", "filter", "logit / temperature", "chance", "time q", "score"];

/** @type {import("./all.js").View} */
export default {
  plate: "VII",
  title: "The next token",
  short: "Next token",
  caption:
    "Every token of the vocabulary with its logit. The logits are divided by the temperature; top-k and top-p keep a few; among these a race is run: each gets a random time q, and the largest exp(logit / temperature) / q wins. It is the token that run_gpt2.py draws with this seed.",
  async show(run, go) {
    const answer = await run.next({ search, offset: 0, limit: shown });
    const most = Math.max(...answer.tokens.map((/** @type {Message} */ row) => Number(row.probability)), 0);
    const field = /** @type {HTMLInputElement} */ (h("input", { type: "search", id: "search", "aria-label": "search the vocabulary", placeholder: "search all tokens", value: search }));
    let timer = 0;
    field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => {
        search = field.value;
        shown = ROWS;
        go({});
      }, 200);
    });
    const isLast = run.position === run.trace.ids.length - 1;
    const take = h("button", { type: "button", class: "primary", id: "take", onclick: () => go({ added: [...run.state.added, answer.drawn.token.id], position: -1 }) }, "Go on with it");
    const drawn = h("p", { class: "drawn-line" }, "Drawn after ", tokenName(run.trace.tokens[run.position]), ": ", h("strong", { id: "drawn" }, tokenName(answer.drawn.token)), " ", isLast ? take : null, ` ${answer.words.toLocaleString("en")} random words are read before this draw.`);
    const counts = h("p", { class: "summary" }, `${answer.vocabulary.toLocaleString("en")} tokens; top-k keeps ${answer.kept.top_k.toLocaleString("en")}, of these top-p keeps ${answer.kept.top_p.toLocaleString("en")}. `, search ? `The search finds ${answer.found.toLocaleString("en")}.` : "");
    const more = answer.found > answer.tokens.length ? h("button", { type: "button", id: "more", onclick: () => { shown *= 4; go({}); } }, "Show more") : null;
    const table = h(
      "table",
      { class: "list next" },
      h("caption", { class: "visually-hidden" }, "tokens in the order of their logits"),
      h("thead", {}, h("tr", {}, HEADS.map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, answer.tokens.map((/** @type {Message} */ row) => line(answer, row, most))),
    );
    return [settings(run, go), drawn, counts, field, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "tokens" }, table), more].filter((one) => one !== null);
  },
};
