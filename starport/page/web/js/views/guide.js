// The Guide: chapters with a question, a picture, code that runs here, and an experiment.

import { h } from "../dom.js";

/** @typedef {import("../run.js").Run} Run */
/** @typedef {import("../frame.js").Go} Go */
/** @typedef {import("../ask.js").Message} Message */

/**
 * Return the nodes of a piece of text: plain, code, emphasis, or a link.
 * @param {Message[]} pieces
 */
function inline(pieces) {
  return pieces.map((piece) => {
    if (piece.kind === "code") return h("code", {}, piece.text);
    if (piece.kind === "strong") return h("strong", {}, piece.text);
    if (piece.kind === "em") return h("em", {}, piece.text);
    if (piece.kind === "link") return h("a", { href: piece.href, rel: "noreferrer" }, piece.text);
    return piece.text;
  });
}

/**
 * @param {Message} block
 * @param {string} chapter
 * @param {Run} run
 * @returns {Node}
 */
function blockNode(block, chapter, run) {
  switch (block.kind) {
    case "heading":
      return h(block.level > 2 ? "h4" : "h3", {}, inline(block.text));
    case "list":
      return h(block.ordered ? "ol" : "ul", {}, block.items.map((/** @type {Message[]} */ item) => h("li", {}, inline(item))));
    case "quote":
      return h("blockquote", {}, inline(block.text));
    case "table":
      return h(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": "table" },
        h("table", { class: "plain" }, h("thead", {}, h("tr", {}, block.head.map((/** @type {Message[]} */ one) => h("th", { scope: "col" }, inline(one))))), h("tbody", {}, block.rows.map((/** @type {Message[][]} */ row) => h("tr", {}, row.map((one) => h("td", {}, inline(one)))))))
      );
    case "picture":
      return h("figure", {}, h("img", { src: block.source, alt: block.text }), h("figcaption", {}, block.text));
    case "code":
      return block.number === undefined ? h("pre", { tabindex: "0" }, h("code", {}, block.text)) : codeBlock(block, chapter, run);
    case "details":
      return h("details", {}, h("summary", {}, inline(block.summary)), block.blocks.map((/** @type {Message} */ one) => blockNode(one, chapter, run)));
    default:
      return h("p", {}, inline(block.text));
  }
}

/**
 * Code with a button that runs it.
 * @param {Message} block
 * @param {string} chapter
 * @param {Run} run
 */
function codeBlock(block, chapter, run) {
  const output = h("pre", { class: "output", tabindex: "0", hidden: true, "aria-live": "polite" });
  const click = async () => {
    button.disabled = true;
    try {
      const answer = await run.question({ ask: "run_code", chapter, number: block.number });
      output.textContent = answer.output || "(it prints nothing)";
      output.dataset.same = String(answer.same);
    } catch (error) {
      output.textContent = String(/** @type {Error} */ (error).message);
    } finally {
      output.hidden = false;
      button.disabled = false;
    }
  };
  const button = /** @type {HTMLButtonElement} */ (h("button", { type: "button", "data-key": `run ${block.number}`, onclick: click }, "Run it here"));
  return h("div", { class: "code" }, h("pre", { tabindex: "0" }, h("code", {}, block.text)), button, output);
}

/** @type {import("./all.js").View} */
export default {
  plate: "0",
  title: "The Guide",
  short: "Guide",
  caption: "How GPT-2 works, in short chapters. Every number is real, and the code runs here.",
  async show(run, go) {
    const { chapters } = await run.question({ ask: "chapters" });
    if (!chapters.length) return [h("p", {}, "There are no chapters here.")];
    const chosen = Math.max(0, chapters.findIndex((/** @type {Message} */ one) => one.name === run.state.chapter));
    const { name } = chapters[chosen];
    const { blocks } = await run.question({ ask: "chapter", name });
    const link = (/** @type {number} */ i, /** @type {string} */ text) =>
      chapters[i] ? h("button", { type: "button", class: "quiet", onclick: () => go({ chapter: chapters[i].name }) }, text) : h("span");
    return [
      h("ol", { class: "contents" }, chapters.map((/** @type {Message} */ one, /** @type {number} */ i) => h("li", {}, h("button", { type: "button", "data-key": one.name, "aria-pressed": String(i === chosen), onclick: () => go({ chapter: one.name }) }, one.title)))),
      h("article", { class: "chapter" }, blocks.map((/** @type {Message} */ block) => blockNode(block, name, run))),
      h("p", { class: "turn" }, link(chosen - 1, "← the chapter before"), link(chosen + 1, "the next chapter →")),
    ];
  },
};
