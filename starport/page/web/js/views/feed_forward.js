// Plate IV: the channels of a feed-forward network that are most active, before and after the activation function.

import { h, s } from "../dom.js";
import { exact, number } from "../numbers.js";
import { legend } from "../scales.js";
import { bar, blockPicker, tokenName } from "./parts.js";

/** @typedef {import("../ask.js").Message} Message */

/**
 * Draw the channels as points: before the activation function to the right, after it upwards.
 * @param {Message} answer
 * @param {number} t
 */
function curve(answer, t) {
  const points = answer.channels.map((/** @type {Message} */ one) => ({ x: Number(one.before), y: Number(one.after), channel: one.channel }));
  const most = Math.max(1, ...points.flatMap((/** @type {{x: number, y: number}} */ p) => [Math.abs(p.x), Math.abs(p.y)]).filter(Number.isFinite));
  const place = (/** @type {number} */ v) => (100 * v) / most;
  return h(
    "figure",
    { class: "curve" },
    s(
      "svg",
      { viewBox: "-106 -106 212 132", role: "img", "aria-label": "each channel before the activation function (to the right) and after it (upwards)" },
      s("path", { class: "axis", d: "M-104 0H104M0 20V-104" }),
      s("path", { class: "diagonal", d: "M0 0L104 -104" }),
      points.map((/** @type {{x: number, y: number, channel: number}} */ p) =>
        s("circle", { cx: place(p.x), cy: -place(p.y), r: 2.4, ...exact(answer.after, [t, p.channel], p.y) }, s("title", {}, `channel ${p.channel}`)),
      ),
    ),
    h("figcaption", {}, "before → right, after → up"),
  );
}

/** @type {import("./all.js").View} */
export default {
  plate: "IV",
  title: "Feed-forward",
  caption: "Each token by itself: C channels become F, the activation function lets the positive ones pass, and F become C again. These are the channels that are most active at the chosen token.",
  async show(run, go) {
    const t = run.position;
    const answer = await run.ask({ ask: "feed_forward", layer: run.layer, position: t, top: 24 });
    const size = (/** @type {"before" | "after"} */ which) => Math.max(...answer.channels.map((/** @type {Message} */ one) => Math.abs(Number(one[which]))).filter(Number.isFinite), 0);
    const most = Math.max(size("before"), size("after"));
    const largest = answer.channels.find((/** @type {Message} */ one) => [one.before, one.after].some((v) => Math.abs(Number(v)) === most));
    const end = largest && (Math.abs(Number(largest.after)) === most ? { name: answer.after, index: [t, largest.channel], value: Number(largest.after) } : { name: answer.before, index: [t, largest.channel], value: Number(largest.before) });
    const side = (/** @type {Message} */ one, /** @type {"before" | "after"} */ which) =>
      h("td", { class: "with-bar" }, number(answer[which], [t, one.channel], one[which]), bar(Number(one[which]), most, true));
    return [
      blockPicker(run, go),
      h(
        "div",
        { class: "columns" },
        h(
          "table",
          { class: "list" },
          h("caption", {}, `The most active of ${answer.width} channels at `, tokenName(run.trace.tokens[t])),
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "channel"), h("th", { scope: "col" }, "before"), h("th", { scope: "col" }, `after ${run.model.config.activation_function}`))),
          h("tbody", {}, answer.channels.map((/** @type {Message} */ one) => h("tr", {}, h("th", { scope: "row" }, one.channel), side(one, "before"), side(one, "after")))),
        ),
        h("div", {}, curve(answer, t), legend("size of bars", most, true, end)),
      ),
    ];
  },
};
