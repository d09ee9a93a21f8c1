// Plate V: what the model would say if it ended at each point of the residual stream.

import { h } from "../dom.js";
import { number, percent, short } from "../numbers.js";
import { legend } from "../scales.js";
import { heatTable, partNote, shownPositions, tokenName } from "./parts.js";

/** @typedef {import("../run.js").Run} Run */
/** @typedef {import("../ask.js").Message} Message */

let chosen = ""; // the point whose likeliest tokens are listed; "" for the last

/**
 * @param {Message} point
 * @param {number[]} positions
 * @param {Run} run
 * @param {import("../frame.js").Go} go
 */
function row(point, positions, run, go) {
  const of = (/** @type {number} */ t) => point.positions.find((/** @type {Message} */ one) => one.position === t).tokens[0];
  return {
    head: h("button", { type: "button", class: "quiet", "data-key": point.name, "aria-pressed": String(point.name === chosen), onclick: () => choose(point.name, go) }, point.name),
    chosen: point.name === chosen,
    cells: positions.map((t) => {
      const { token, probability } = of(t);
      return { name: `lens.${point.name}.probabilities`, index: [t, token.id], value: Number(probability), text: token.shown, label: `${point.name} at token ${t}: ${token.text}` };
    }),
  };
}

/**
 * @param {string} name
 * @param {import("../frame.js").Go} go
 */
function choose(name, go) {
  chosen = name;
  return go({});
}

/**
 * List the likeliest tokens at the chosen point and position.
 * @param {Message} point
 * @param {Run} run
 */
function list(point, run) {
  const t = run.position;
  const { tokens } = point.positions.find((/** @type {Message} */ one) => one.position === t);
  return h(
    "table",
    { class: "list" },
    h("caption", {}, "Likeliest at ", h("code", {}, point.name), " of ", tokenName(run.trace.tokens[t])),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "token"), h("th", { scope: "col" }, "logit"), h("th", { scope: "col" }, "probability"))),
    h(
      "tbody",
      {},
      tokens.map((/** @type {Message} */ one) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, tokenName(one.token)),
          h("td", {}, number(`lens.${point.name}.logits`, [t, one.token.id], one.logit, { text: short(one.logit) })),
          h("td", {}, number(`lens.${point.name}.probabilities`, [t, one.token.id], one.probability, { text: percent(one.probability) })),
        ),
      ),
    ),
  );
}

/** @type {import("./all.js").View} */
export default {
  plate: "V",
  title: "Logit lens",
  short: "Lens",
  caption:
    "At each point of the residual stream: the token that the model would say next if it ended there (the last layer norm and the output projection of that point). The colour is its probability. The last row is what the model says.",
  async show(run, go) {
    const positions = shownPositions(run.trace.ids.length, run.position);
    const names = run.model.values.map((/** @type {Message} */ one) => one.name).filter((/** @type {string} */ name) => /resid_(pre|mid|post)$/.test(name));
    const expanded = Array.from({ length: run.model.config.n_layer }, (_, n) => names.filter((/** @type {string} */ name) => name.startsWith("h.N.")).map((/** @type {string} */ name) => name.replace("N", String(n)))).flat();
    const points = [];
    for (const name of new Set([...expanded, ...names.filter((/** @type {string} */ name) => !name.includes("N"))])) {
      const every = await Promise.all(positions.map((position) => run.ask({ ask: "lens", points: [name], position })));
      points.push({ name, positions: every.flatMap((one) => one.points[0].positions) });
    }
    const point = points.find((one) => one.name === chosen) ?? points[points.length - 1];
    chosen = point.name;
    const columns = positions.map((t) => tokenName(run.trace.tokens[t]));
    return [
      partNote(positions, run.trace.ids.length),
      h(
        "div",
        { class: "columns wide-left" },
        h("div", {}, heatTable({ caption: "likeliest next token at every point and position", columns, rows: points.map((one) => row(one, positions, run, go)), most: 1, signed: false, class: "words" }), legend("probability of the token shown, from 0 to 1", 1, false)),
        list(point, run),
      ),
    ].filter((one) => one !== null);
  },
};
