// Plate VII: from logits to one token: temperature, the two filters, and the draw.

import { button, div, h, note, p, scrolling, table, td } from "../dom.js";
import { number, percent, short } from "../numbers.js";
import { barred, tokenName } from "./parts.js";

/** @typedef {import("../run.js").Run} Run */
/** @typedef {import("../frame.js").Go} Go */
/** @typedef {import("../ask.js").Message} Message */

const ROWS = 40; // more of them come with a button
const PATIENCE = 200; // milliseconds after a key, before the search begins
const HEADS = ["token", "rank", "logit", "probability", "filter", "logit / temperature", "chance", "time q", "score"];

let search = "";
let shown = ROWS;

/**
 * A number to be typed, with a slider if it has a largest value.
 * @param {string} label
 * @param {Record<string, number>} range
 * @param {string} help
 * @param {(value: number) => void} change
 */
function slider(label, range, help, change) {
  const heard = (/** @type {Event} */ event) => {
    const field = /** @type {HTMLInputElement} */ (event.target);
    if (field.value !== "" && field.reportValidity()) change(Number(field.value));
  };
  const input = (/** @type {string} */ type, /** @type {Record<string, any>} */ more) =>
    /** @type {HTMLInputElement} */ (h("input", { type, ...range, onchange: heard, ...more }));
  const field = input("number", { id: `set-${label}` });
  const track = input("range", { "aria-label": `${label}, slider`, "data-key": `slider ${label}` });
  track.addEventListener("input", () => (field.value = track.value));
  return div(
    { class: "slider" },
    h("label", { for: field.id }, label),
    field,
    range.max < 1e6 ? track : null,
    h("small", {}, help),
  );
}

/**
 * @param {Run} run
 * @param {Go} go
 */
function settings(run, go) {
  const { temperature, top_k: k, top_p: top, seed } = run.state;
  const most = Math.min(run.model.config.vocab_size, 200);
  return div(
    { class: "settings" },
    slider(
      "temperature",
      { min: 0, max: 2, step: 0.05, value: temperature },
      "divides the logits; 0: always the likeliest",
      (value) => go({ temperature: value }),
    ),
    slider("top-k", { min: 0, max: most, step: 1, value: k }, "keeps the k likeliest; 0: all", (value) =>
      go({ top_k: value }),
    ),
    slider("top-p", { min: 0.01, max: 1, step: 0.01, value: top }, "keeps the likeliest that add up to p", (value) =>
      go({ top_p: value }),
    ),
    slider("seed", { min: 0, max: 2 ** 32 - 1, step: 1, value: seed }, "the same seed draws the same tokens", (value) =>
      go({ seed: value }),
    ),
  );
}

/**
 * @param {Message} answer
 * @param {Message} row
 * @param {number} most
 */
function line(answer, row, most) {
  const index = [answer.position, row.token.id];
  const setting = (/** @type {string} */ name, text = short) =>
    row[name] === null ? "–" : number(`next.${name}`, index, row[name], { text: text(row[name]), plain: true });
  const isDrawn = row.token.id === answer.drawn.token.id;
  const why = row.kept_by_top_p ? "kept" : row.kept_by_top_k ? "cut by top-p" : "cut by top-k";
  const probability = number("probabilities", index, row.probability, { text: percent(row.probability) });
  return h(
    "tr",
    { class: isDrawn ? "drawn" : why === "kept" ? "kept" : "cut" },
    h("th", { scope: "row" }, tokenName(row.token)),
    td(row.rank + 1),
    td(number("logits", index, row.logit)),
    barred(probability, row.probability, most, false),
    td({ class: "why" }, isDrawn ? "drawn" : why),
    td(setting("scaled")),
    td(setting("chance", percent)),
    td(setting("time")),
    td(setting("score")),
  );
}

/** @param {Go} go */
function searchField(go) {
  let timer = 0;
  const field = /** @type {HTMLInputElement} */ (
    h("input", {
      type: "search",
      id: "search",
      "aria-label": "search the vocabulary",
      placeholder: "search all tokens",
      value: search,
    })
  );
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      [search, shown] = [field.value, ROWS];
      go({});
    }, PATIENCE);
  });
  return field;
}

/** @type {import("./all.js").View} */
export default {
  plate: "VII",
  title: "The next token",
  short: "Next token",
  caption:
    "Every token of the vocabulary with its logit. The logits are divided by the temperature; top-k and top-p keep a few. Each of these gets a random time q and the score exp((logit − largest) / temperature) / q, where largest is the largest logit. The token with the largest score is drawn. It is the token that run_gpt2.py draws with this seed.",
  async show(run, go) {
    const answer = await run.next({ search, limit: shown });
    const { top_k, top_p } = run.state;
    const { drawn, kept, found, tokens, vocabulary, words } = answer;
    const count = (/** @type {number} */ n) => n.toLocaleString("en");
    const most = Math.max(...tokens.map((/** @type {Message} */ row) => Number(row.probability)), 0);
    const take = () => go({ added: [...run.state.added, drawn.token.id], position: -1 });
    const more = () => {
      shown *= 4;
      return go({});
    };
    const isLast = run.position === run.trace.ids.length - 1;
    const rows = tokens.map((/** @type {Message} */ row) => line(answer, row, most));
    return [
      settings(run, go),
      p(
        { class: "drawn-line" },
        [
          "Drawn after ",
          tokenName(run.trace.tokens[run.position]),
          ": ",
          h("strong", { id: "drawn" }, tokenName(drawn.token)),
        ],
        isLast ? button({ class: "primary", id: "take", onclick: take }, "Go on with it") : null,
        ` The random generator with this seed has made ${count(words)} numbers for the tokens before this one.`,
      ),
      note(
        `${count(vocabulary)} tokens; top-k ${top_k ? `keeps ${count(kept.top_k)}` : "is off and keeps all"}, `,
        top_p < 1 ? `and of these top-p keeps ${count(kept.top_p)}.` : "and top-p is 1: it keeps all of these.",
      ),
      searchField(go),
      search ? note(`The search finds ${count(found)}.`) : null,
      scrolling("tokens in the order of their logits", table({ class: "list next" }, [], HEADS, rows)),
      found > tokens.length ? button({ id: "more", onclick: more }, "Show more") : null,
    ];
  },
};
