// Plate I: the prompt is cut into words, a word into bytes, and the bytes are merged into tokens.

import { code, div, h, note, p, span } from "../dom.js";
import { tokenName } from "./parts.js";

/** @typedef {import("../ask.js").Message} Message */

const MOST_WORDS = 60;

/** @param {Message} word */
function wordFigure(word) {
  /** @type {Message[]} */
  let symbols = word.symbols;
  const line = (/** @type {import("../dom.js").Child[]} */ why, /** @type {number} */ made) => {
    const names = symbols.map((symbol, i) => tokenName(symbol, i === made ? "merged" : ""));
    return h("li", {}, span({ class: "why" }, why), span({ class: "symbols" }, names));
  };
  const steps = symbols.length ? [line(["its bytes"], -1)] : [];
  for (const { rank, at, left, right, into } of word.merges) {
    symbols = [...symbols.slice(0, at), into, ...symbols.slice(at + 2)];
    steps.push(line(["merge ", h("b", {}, rank), ": ", left.shown, " + ", right.shown], at));
  }
  const bytes = word.bytes.map((/** @type {number} */ byte) => code(byte.toString(16).padStart(2, "0")));
  return h(
    "article",
    { class: "wordcard" },
    h("h3", {}, word.special ? word.text : word.symbols.map((/** @type {Message} */ symbol) => symbol.shown)),
    p({ class: "bytes" }, bytes),
    h("ol", { class: "merges" }, steps),
    p(
      { class: "ids" },
      word.ids.length > 1 ? "ids " : "id ",
      word.ids.map((/** @type {number} */ id) => h("b", {}, id)),
    ),
  );
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
    const counts = `${bytes} bytes, ${words.length} words, ${ids.length} tokens.`;
    const shown = words.slice(0, MOST_WORDS);
    return [
      note(`${counts} Bytes are written in hexadecimal; ␣ is a space.`),
      ids.length ? null : p("The prompt is empty: the run begins with the end-of-text token."),
      div({ class: "wordcards" }, shown.map(wordFigure)),
      words.length > shown.length ? note(`The first ${MOST_WORDS} words are shown.`) : null,
    ];
  },
};
