// Plate VI: by how much every part of the model raises the logit of one token.

import { button, h, table, td } from "../dom.js";
import { number, short } from "../numbers.js";
import { barLegend } from "../scales.js";
import { barred, fault, mostOf, picker, tokenName } from "./parts.js";

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
    const answer = await run.ask({ ask: "contributions", position: t, token: chosen });
    const end = mostOf(answer.parts, (part) => part);
    const listed = rows.findIndex((/** @type {Message} */ row) => row.token.id === chosen);
    const label = "another token, with its space";
    const field = /** @type {HTMLInputElement} */ (
      h("input", { id: "token-text", "aria-label": label, placeholder: label, required: true, spellcheck: "false" })
    );
    const form = h("form", { class: "inline" }, field, button({ type: "submit" }, "Show"));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const found = await run.ask({ ask: "contributions", position: t, token: field.value }).catch(fault);
      form.querySelector(".fault")?.remove();
      if (found instanceof Node) form.append(found);
      else await go({ token: found.token.id });
    });
    const parts = answer.parts.map((/** @type {Message} */ part) => [
      part.label,
      barred(number(part.name, part.index, part.value), part.value, end?.value ?? 0, true),
    ]);
    const sum = number("logits", [t, chosen], answer.logit, { text: short(answer.logit, 5) });
    const foot = [["the logit", td({ class: "with-bar" }, sum)]];
    if (answer.rounding) {
      foot.unshift([
        "rounding of the engine",
        td({ class: "with-bar" }, number("contribution.rounding", [t, chosen], answer.rounding, { plain: true })),
      ]);
    }
    const words = rows.map((/** @type {Message} */ row) => row.token.shown);
    const caption = ["The logit of ", tokenName(answer.token), " after ", tokenName(run.trace.tokens[t])];
    return [
      picker("token", words, listed, (i) => go({ token: rows[i].token.id })),
      form,
      barLegend("raises the logit", "lowers it", end),
      table({ class: "list contributions" }, caption, ["part", "raises the logit by"], parts, foot),
    ];
  },
};
