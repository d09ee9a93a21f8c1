// Plate VI: by how much every part of the model raises the logit of one token.

import { h } from "../dom.js";
import { number, short } from "../numbers.js";
import { legend } from "../scales.js";
import { bar, picker, tokenName } from "./parts.js";

/** @typedef {import("../ask.js").Message} Message */

/** @type {import("./all.js").View} */
export default {
  plate: "VI",
  title: "Contributions",
  caption:
    "The logit of a token is a sum over what each part has written into the residual stream, with the scale of the last layer norm held. A bar to the right raises the logit, a bar to the left lowers it.",
  async show(run, go) {
    const t = run.position;
    const rows = (await run.next({ position: t, limit: 8, search: "", offset: 0 })).tokens;
    const chosen = run.state.token >= 0 && run.state.token < run.model.config.vocab_size ? run.state.token : rows[0].token.id;
    const answer = await run.ask({ ask: "contributions", position: t, token: chosen });
    const sizes = answer.parts.map((/** @type {Message} */ part) => Math.abs(Number(part.value))).filter(Number.isFinite);
    const most = Math.max(...sizes, 0);
    const largest = answer.parts.find((/** @type {Message} */ part) => Math.abs(Number(part.value)) === most);
    const listed = rows.findIndex((/** @type {Message} */ row) => row.token.id === chosen);
    const field = /** @type {HTMLInputElement} */ (h("input", { type: "search", id: "token-search", "aria-label": "another token", placeholder: "another token, such as  king", size: 24 }));
    const search = async (/** @type {Event} */ event) => {
      event.preventDefault();
      const found = (await run.next({ position: t, limit: 1, search: field.value, offset: 0 })).tokens[0];
      if (found) await go({ token: found.token.id });
    };
    return [
      picker("token", rows.map((/** @type {Message} */ row) => row.token.shown), listed, (i) => go({ token: rows[i].token.id })),
      h("form", { class: "inline", onsubmit: search }, field, h("button", { type: "submit" }, "Show")),
      legend("contribution", most, true, largest && { name: largest.name, index: largest.index, value: Number(largest.value) }),
      h(
        "table",
        { class: "list contributions" },
        h("caption", {}, "The logit of ", tokenName(answer.token.shown ? answer.token : (rows[listed]?.token ?? { shown: `id ${chosen}`, id: chosen })), " after ", tokenName(run.trace.tokens[t])),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "part"), h("th", { scope: "col" }, "raises the logit by"))),
        h(
          "tbody",
          {},
          answer.parts.map((/** @type {Message} */ part) =>
            h("tr", {}, h("th", { scope: "row" }, part.label), h("td", { class: "with-bar" }, number(part.name, part.index, part.value), bar(Number(part.value), most, true))),
          ),
        ),
        h(
          "tfoot",
          {},
          answer.rounding ? h("tr", {}, h("th", { scope: "row" }, "rounding of the engine"), h("td", {}, number("contribution.rounding", [t, chosen], answer.rounding, { plain: true }))) : null,
          h("tr", {}, h("th", { scope: "row" }, "the logit"), h("td", {}, number("logits", [t, chosen], answer.logit, { text: short(answer.logit, 5) }))),
        ),
      ),
    ];
  },
};
