// Colours for numbers. Both scales can be told apart by people with any colour vision, in print too: they grow darker
// (on a dark page: lighter) with size. Between two corners they go straight through the linear colour space.

import { h } from "./dom.js";
import { number } from "./numbers.js";

/** @typedef {[number, number, number]} Colour */

/** @type {Record<string, {one: Colour[], two: Colour[]}>} one: 0 to most; two: -most, 0, +most */
const CORNERS = {
  light: {
    one: [
      [252, 249, 241],
      [222, 203, 141],
      [111, 139, 126],
      [38, 84, 124],
      [15, 30, 66],
    ],
    two: [
      [9, 54, 108],
      [103, 156, 199],
      [252, 249, 241],
      [231, 150, 73],
      [127, 52, 4],
    ],
  },
  dark: {
    one: [
      [22, 27, 36],
      [32, 66, 104],
      [68, 119, 133],
      [188, 175, 108],
      [255, 240, 186],
    ],
    two: [
      [158, 205, 250],
      [45, 104, 158],
      [22, 27, 36],
      [166, 91, 27],
      [255, 190, 121],
    ],
  },
};

const dark = window.matchMedia("(prefers-color-scheme: dark)");

/** Return "dark" or "light": what the reader has chosen, else what the system has. */
export function theme() {
  return document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
}

/**
 * @param {Colour[]} corners
 * @param {number} part 0 to 1
 * @returns {Colour}
 */
function between(corners, part) {
  const at = Math.min(Math.max(part, 0), 1) * (corners.length - 1);
  const low = Math.min(Math.floor(at), corners.length - 2);
  return /** @type {Colour} */ (corners[low].map((c, i) => Math.round(c + (at - low) * (corners[low + 1][i] - c))));
}

/**
 * Return the colours of a number: background and text.
 * @param {number} value
 * @param {number} most the largest size on this scale
 * @param {boolean} signed
 * @returns {{background: string, ink: string, rgb: Colour}}
 */
export function colours(value, most, signed) {
  const part = most > 0 ? value / most : 0;
  const scale = CORNERS[theme()];
  const rgb = between(signed ? scale.two : scale.one, signed ? (part + 1) / 2 : part);
  const [r, g, b] = rgb.map((c) => (c <= 10 ? c / 3294 : ((c / 255 + 0.055) / 1.055) ** 2.4)); // WCAG 2.2, relative luminance
  const ink = 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff"; // a contrast of 4.58 at least
  return { background: `rgb(${rgb.join(" ")})`, ink, rgb };
}

/**
 * Return CSS properties that colour a cell.
 * @param {number} value
 * @param {number} most
 * @param {boolean} signed
 */
export function cell(value, most, signed) {
  if (!Number.isFinite(value)) return {};
  const { background, ink } = colours(value, most, signed);
  return { "background-color": background, color: ink };
}

/**
 * Return the legend of a scale, with the number of largest size on it.
 * @param {string} label
 * @param {{name: string, index: number[], value: number, plain?: boolean} | null} end
 * @param {boolean} signed
 */
export function legend(label, end, signed) {
  const steps = 24;
  const bars = Array.from({ length: steps }, (_, i) => {
    const part = i / (steps - 1);
    return h("i", { style: { "background-color": colours(signed ? 2 * part - 1 : part, 1, signed).background } });
  });
  const largest = end && number(end.name, end.index, end.value, { label: "largest", plain: end.plain });
  return h(
    "div",
    { class: "legend" },
    h("span", { class: "legend-label" }, label),
    h("span", {}, signed ? "−" : "0"),
    h("span", { class: "legend-bar", "aria-hidden": "true" }, bars),
    h("span", {}, signed ? "+" : end ? "" : "1", end ? " largest " : null, largest),
  );
}

/**
 * Return the legend of bars that go both ways.
 * @param {string} more what a bar to the right means
 * @param {string} less
 * @param {{name: string, index: number[], value: number} | null} end
 */
export function barLegend(more, less, end) {
  return h(
    "div",
    { class: "legend" },
    h("i", { class: "swatch" }),
    more,
    h("i", { class: "swatch less" }),
    less,
    end && h("span", {}, "largest ", number(end.name, end.index, end.value)),
  );
}
