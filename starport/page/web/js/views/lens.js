// Plate V: what the model would say if it ended at each point of the residual stream.

import { button, code, div, table } from "../dom.js";
import { number, percent } from "../numbers.js";
import { legend } from "../scales.js";
import { heatTable, partNote, shownPositions, tokenName } from "./parts.js";

/** @typedef {import("../ask.js").Message} Message */
/** @typedef {import("../frame.js").Go} Go */

let chosen = ""; // the point whose likeliest tokens are listed; "" for the last

/**
 * @param {Message} point
 * @param {number} t
 */
const at = (point, t) => point.positions.find((/** @type {Message} */ one) => one.position === t).tokens;

/**
 * @param {Message} point
 * @param {number[]} positions
 * @param {Go} go
 */
function row(point, positions, go) {
  const choose = () => {
    chosen = point.name;
    return go({});
  };
  const isChosen = point.name === chosen;
  const attributes = { class: "quiet", "data-key": point.name, "aria-pressed": String(isChosen), onclick: choose };
  return {
    head: button(attributes, point.name),
    chosen: isChosen,
    cells: positions.map((t) => {
      const { token, probability } = at(point, t)[0];
      const label = `${point.name} at token ${t}: ${token.text}`;
      const name = `lens.${point.name}.probabilities`;
      return { name, index: [t, token.id], value: probability, text: token.shown, label };
    }),
  };
}

/**
 * List the likeliest tokens at the chosen point and position.
 * @param {Message} point
 * @param {Message} token
 * @param {number} t
 */
function list(point, token, t) {
  const rows = at(point, t).map((/** @type {Message} */ one) => [
    tokenName(one.token),
    number(`lens.${point.name}.logits`, [t, one.token.id], one.logit),
    number(`lens.${point.name}.probabilities`, [t, one.token.id], one.probability, { text: percent(one.probability) }),
  ]);
  const caption = ["Likeliest at ", code(point.name), " of ", tokenName(token)];
  return table({ class: "list" }, caption, ["token", "logit", "probability"], rows);
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
    const names = run.trace.names.map((/** @type {Message} */ one) => one.name);
    const points = [];
    for (const name of names.filter((/** @type {string} */ one) => /^h\.0\.resid_pre$|resid_(mid|post)$/.test(one))) {
      points.push((await run.ask({ ask: "lens", points: [name], positions })).points[0]); // a point at a time: with progress
    }
    const point = points.find((one) => one.name === chosen) ?? points[points.length - 1];
    chosen = point.name;
    const table = heatTable({
      caption: "likeliest next token at every point and position",
      columns: positions.map((t) => tokenName(run.trace.tokens[t])),
      rows: points.map((one) => row(one, positions, go)),
      most: 1,
      signed: false,
      class: "words",
    });
    return [
      partNote(positions, run.trace.ids.length),
      div(
        { class: "columns wide-left" },
        div(table, legend("probability of the token shown, from 0 to 1", null, false)),
        list(point, run.trace.tokens[run.position], run.position),
      ),
    ];
  },
};
