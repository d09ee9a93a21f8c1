// The Guide: chapters with a question, a picture, code that runs here, and an experiment.

import { button, code, div, h, p, rowHead, scrolling, span, td } from "../dom.js";

/** @typedef {import("../run.js").Run} Run */
/** @typedef {import("../ask.js").Message} Message */

/**
 * Return the nodes of a text, which is a list of pieces.
 * @param {Message[]} pieces
 */
const inline = (pieces) =>
  pieces.map(({ kind, text, href }) => {
    if (kind === "link") return h("a", { href, rel: "noreferrer" }, text);
    return kind === "text" ? text : h(kind, {}, text); // code, strong, em
  });

/** @type {Record<string, (block: Message, chapter: string, run: Run) => Node>} */
const NODES = {
  heading: ({ level, text }) => h(level > 2 ? "h4" : "h3", {}, inline(text)),
  paragraph: ({ text }) => p(inline(text)),
  quote: ({ text }) => h("blockquote", {}, inline(text)),
  list: ({ ordered, start, items }) =>
    h(
      ordered ? "ol" : "ul",
      ordered ? { start } : {},
      items.map((/** @type {Message[]} */ item) => h("li", {}, inline(item))),
    ),
  picture: ({ source, text }) => h("figure", {}, h("img", { src: source, alt: text }), h("figcaption", {}, text)),
  table: ({ head, rows }) => {
    const row = (/** @type {Message[][]} */ [first, ...rest]) =>
      h(
        "tr",
        {},
        rowHead(inline(first)),
        rest.map((one) => td(inline(one))),
      );
    const heads = head.map((/** @type {Message[]} */ one) => h("th", { scope: "col" }, inline(one)));
    return scrolling(
      "table",
      h("table", { class: "plain" }, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, rows.map(row))),
    );
  },
  details: ({ summary, blocks }, chapter, run) =>
    h(
      "details",
      {},
      h("summary", {}, inline(summary)),
      blocks.map((/** @type {Message} */ one) => node(one, chapter, run)),
    ),
  code: ({ text, number }, chapter, run) => {
    const written = h("pre", { tabindex: "0" }, code(text));
    return number === undefined ? written : div({ class: "code" }, written, runner(number, chapter, run));
  },
};

/**
 * @param {Message} block
 * @param {string} chapter
 * @param {Run} run
 */
const node = (block, chapter, run) => NODES[block.kind](block, chapter, run);

/**
 * A button that runs a piece of code, and what it prints.
 * @param {number} number
 * @param {string} chapter
 * @param {Run} run
 */
function runner(number, chapter, run) {
  const output = h("pre", { class: "output", tabindex: "0", hidden: true, "aria-live": "polite" });
  const click = async (/** @type {Event} */ event) => {
    const pressed = /** @type {HTMLButtonElement} */ (event.currentTarget);
    pressed.disabled = true;
    try {
      const answer = await run.question({ ask: "run_code", chapter, number });
      output.textContent = answer.output;
      output.dataset.same = String(answer.same);
    } catch (error) {
      output.textContent = /** @type {Error} */ (error).message;
    }
    output.hidden = false;
    pressed.disabled = false;
  };
  return div(button({ "data-key": `run ${number}`, onclick: click }, "Run it here"), output);
}

/** @type {import("./all.js").View} */
export default {
  plate: "0",
  title: "The Guide",
  short: "Guide",
  caption: "How GPT-2 works, in short chapters. Every number is real, and the code runs here.",
  async show(run, go) {
    const { chapters } = await run.question({ ask: "chapters" });
    if (!chapters.length) return [p("There are no chapters here.")];
    const found = chapters.findIndex((/** @type {Message} */ one) => one.name === run.state.chapter);
    const chosen = Math.max(0, found);
    const { name } = chapters[chosen];
    const { blocks } = await run.question({ ask: "chapter", name });
    const to = (/** @type {number} */ i, /** @type {Message} */ attributes, /** @type {string} */ text) =>
      chapters[i] ? button({ ...attributes, onclick: () => go({ chapter: chapters[i].name }) }, text) : span();
    const contents = chapters.map((/** @type {Message} */ one, /** @type {number} */ i) =>
      h("li", {}, to(i, { "data-key": one.name, "aria-pressed": String(i === chosen) }, one.title)),
    );
    const quiet = { class: "quiet" };
    return [
      h("ol", { class: "contents" }, contents),
      h(
        "article",
        { class: "chapter" },
        blocks.map((/** @type {Message} */ block) => node(block, name, run)),
      ),
      p({ class: "turn" }, to(chosen - 1, quiet, "← the chapter before"), to(chosen + 1, quiet, "the next chapter →")),
    ];
  },
};
