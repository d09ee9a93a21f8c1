// Plate VI: by how much every part of the model raises the logit of one token.

import { button, h, table } from "../dom.js";
import { number, short } from "../numbers.js";
import { barLegend } from "../scales.js";
import { barred, mostOf, picker, tokenName } from "./parts.js";

/** @typedef {import("../ask.js").Message} Message */

/** @type {import("./all.js").View} */
export default {
  plate: "VI",
  title: "Contributions",
  caption:
    "The logit of a token is a sum over what each part has written into the residual stream, with the scale of the last layer norm held. A bar to the right raises the logit, a bar to the left lowers it.",
  async show(run, go) {
    const t = run.position;
    const rows = (await run.next({ position: t, limit: 8 })).tokens;
    const { vocab_size: size } = run.model.config;
    const chosen = run.state.token >= 0 && run.state.token < size ? run.state.token : rows[0].token.id;
    const found = (await run.next({ position: t, limit: 1, search: String(chosen) })).tokens;
    const answer = await run.ask({ ask: "contributions", position: t, token: chosen });
    const end = mostOf(answer.parts, (part) => part);
    const listed = rows.findIndex((/** @type {Message} */ row) => row.token.id === chosen);
    const token = rows[listed]?.token ?? found.find((/** @type {Message} */ row) => row.token.id === chosen)?.token;
    const field = /** @type {HTMLInputElement} */ (
      h("input", { type: "search", id: "token-search", "aria-label": "another token", placeholder: "another token" })
    );
    const search = async (/** @type {Event} */ event) => {
      event.preventDefault();
      const [first] = (await run.next({ position: t, limit: 1, search: field.value })).tokens;
      if (first) await go({ token: first.token.id });
    };
    const parts = answer.parts.map((/** @type {Message} */ part) => [
      part.label,
      barred(number(part.name, part.index, part.value), part.value, end?.value ?? 0, true),
    ]);
    const foot = [["the logit", number("logits", [t, chosen], answer.logit, { text: short(answer.logit, 5) })]];
    if (answer.rounding) {
      foot.unshift([
        "rounding of the engine",
        number("contribution.rounding", [t, chosen], answer.rounding, { plain: true }),
      ]);
    }
    const words = rows.map((/** @type {Message} */ row) => row.token.shown);
    const caption = [
      "The logit of ",
      token ? tokenName(token) : `token ${chosen}`,
      " after ",
      tokenName(run.trace.tokens[t]),
    ];
    return [
      picker("token", words, listed, (i) => go({ token: rows[i].token.id })),
      h("form", { class: "inline", onsubmit: search }, field, button({ type: "submit" }, "Show")),
      barLegend("raises the logit", "lowers it", end),
      table({ class: "list contributions" }, caption, ["part", "raises the logit by"], parts, foot),
    ];
  },
};
