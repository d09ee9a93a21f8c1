// Plate IV: the channels of a feed-forward network that are most active, before and after the activation function.

import { div, h, s, table } from "../dom.js";
import { exact, number } from "../numbers.js";
import { barLegend } from "../scales.js";
import { barred, blockPicker, mostOf, tokenName } from "./parts.js";

/** @typedef {import("../ask.js").Message} Message */

const ROWS = 24; // of the most active channels

/**
 * Draw the channels as points: before the activation function to the right, after it upwards.
 * @param {Message} answer
 * @param {number} t
 * @param {number} most
 */
function curve(answer, t, most) {
  const place = (/** @type {any} */ value) => (100 * Number(value)) / Math.max(most, 1e-300) || 0;
  const point = (/** @type {Message} */ { channel, before, after }) =>
    s(
      "circle",
      { cx: place(before), cy: -place(after), r: 1.3, ...exact(answer.after, [t, channel], after) },
      s("title", {}, `channel ${channel}`),
    );
  const label = "each channel: before the activation function to the right, after it upwards";
  return h(
    "figure",
    { class: "curve" },
    s(
      "svg",
      { viewBox: "-106 -106 212 132", role: "img", "aria-label": label },
      s("path", { class: "axis", d: "M-104 0H104M0 20V-104" }),
      s("path", { class: "diagonal", d: "M0 0L104 -104" }),
      s("text", { x: 104, y: 7, "text-anchor": "end" }, "before"),
      s("text", { x: 3, y: -99 }, "after"),
      answer.channels.map(point),
    ),
    h(
      "figcaption",
      {},
      "All channels as points: to the right before the activation function, upwards after it. Those on the dashed line pass unchanged.",
    ),
  );
}

/** @type {import("./all.js").View} */
export default {
  plate: "IV",
  title: "Feed-forward",
  caption:
    "Each token by itself: C channels become F, the activation function lets the positive ones pass, and F become C again. These are the channels that are most active at the chosen token.",
  async show(run, go) {
    const t = run.position;
    const answer = await run.ask({ ask: "feed_forward", layer: run.layer, position: t, top: run.model.letters.F });
    const largest = (/** @type {Message[]} */ channels) => {
      const numbers = channels.flatMap(({ channel, before, after }) => [
        { name: answer.before, index: [t, channel], value: before },
        { name: answer.after, index: [t, channel], value: after },
      ]);
      return mostOf(numbers, (one) => one);
    };
    const listed = answer.channels.slice(0, ROWS);
    const end = largest(listed); // the bars' scale; the points have their own
    const most = end?.value ?? 0;
    const row = (/** @type {Message} */ { channel, before, after }) => [
      channel,
      barred(number(answer.before, [t, channel], before), before, most, true),
      barred(number(answer.after, [t, channel], after), after, most, true),
    ];
    const caption = [
      `The most active of ${answer.width.toLocaleString("en")} channels at `,
      tokenName(run.trace.tokens[t]),
    ];
    const heads = ["channel", "before", `after ${run.model.config.activation_function}`];
    return [
      blockPicker(run, go),
      div(
        { class: "columns" },
        table({ class: "list" }, caption, heads, listed.map(row)),
        div(curve(answer, t, Math.abs(largest(answer.channels)?.value ?? 0)), barLegend("positive", "negative", end)),
      ),
    ];
  },
};
