// Plate I: the prompt is cut into words, a word into bytes, and the bytes are merged into tokens.

import { h } from "../dom.js";
import { tokenName } from "./parts.js";

/** @typedef {import("../ask.js").Message} Message */

const MOST_WORDS = 60;

/** @param {Message} word */
function wordFigure(word) {
  /** @type {Message[]} */
  let symbols = word.symbols;
  const line = (/** @type {Node | null} */ why, /** @type {number} */ mark) =>
    h("li", {}, h("span", { class: "why" }, why), h("span", { class: "symbols" }, symbols.map((symbol, i) => tokenName(symbol, i === mark ? "merged" : ""))));
  const steps = [line(h("span", {}, "its bytes"), -1)];
  for (const { rank, at, left, right, into } of word.merges) {
    symbols = [...symbols.slice(0, at), into, ...symbols.slice(at + 2)];
    steps.push(line(h("span", {}, "merge ", h("b", {}, rank), ": ", left.shown, " + ", right.shown), at));
  }
  return h(
    "article",
    { class: "wordcard" },
    h("h3", {}, word.symbols.length || word.special ? symbolsOf(word) : word.text),
    h("p", { class: "bytes" }, word.bytes.map((/** @type {number} */ byte) => h("code", {}, byte.toString(16).padStart(2, "0")))),
    h("ol", { class: "merges" }, steps),
    h("p", { class: "ids" }, word.ids.length > 1 ? "ids " : "id ", word.ids.map((/** @type {number} */ id) => h("b", {}, id))),
  );
}

/** @param {Message} word */
function symbolsOf(word) {
  return word.special ? word.text : word.symbols.map((/** @type {Message} */ symbol) => symbol.shown).join("");
}

/** @type {import("./all.js").View} */
export default {
  plate: "I",
  title: "Text to tokens",
  short: "Tokens",
  caption:
    "The text is cut into words; each word is a row of bytes. Then the two neighbours whose merge was learned first (the lowest rank) become one token, again and again, until no merge is left.",
  async show(run) {
    const { words, bytes, ids } = await run.question({ ask: "tokenize", text: run.state.prompt });
    const shown = words.slice(0, MOST_WORDS);
    return [
      h("p", { class: "summary" }, `${bytes} bytes, ${words.length} words, ${ids.length} tokens. Bytes are written in hexadecimal; ␣ is a space.`),
      ids.length ? null : h("p", {}, "The prompt is empty: the run begins with the end-of-text token."),
      h("div", { class: "wordcards" }, shown.map(wordFigure)),
      words.length > shown.length ? h("p", { class: "note" }, `The first ${MOST_WORDS} words are shown.`) : null,
    ].filter((one) => one !== null);
  },
};
