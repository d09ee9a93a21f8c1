// How a number of the model is shown: short for the eye, exact in its attributes, and a click tells its story.

import { h } from "./dom.js";

/** @typedef {number | "NaN" | "Infinity" | "-Infinity"} Value a float as JSON holds it */

/**
 * Return the number that JSON holds, which writes NaN and infinities as strings.
 * @param {Value} value
 * @returns {number}
 */
export function float(value) {
  return typeof value === "number" ? value : Number(value);
}

/**
 * Return the float as Python's repr writes it: the shortest digits that give back the same bits.
 * @param {Value} value
 * @returns {string}
 */
export function repr(value) {
  const x = float(value);
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (x === 0) return Object.is(x, -0) ? "-0.0" : "0.0";
  const [digits, power] = Math.abs(x).toExponential().split("e");
  const exponent = Number(power);
  const sign = x < 0 ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    return `${sign}${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const all = digits.replace(".", "");
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${all}`;
  const whole = all.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${all.slice(exponent + 1) || "0"}`;
}

/**
 * Return a float with few digits, for the eye.
 * @param {Value} value
 * @param {number} digits
 * @returns {string}
 */
export function short(value, digits = 3) {
  const x = float(value);
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const size = Math.abs(x);
  let text = size.toPrecision(digits);
  if (size === 0) text = "0";
  else if (size < 1e-4 || size >= 1e6) {
    const [mantissa, power] = size.toExponential(digits - 1).split("e");
    text = `${mantissa}·10${superscript(Number(power))}`;
  } else if (size >= 10 ** digits) text = size.toFixed(0);
  return (x < 0 ? "−" : "") + text;
}

/** @param {number} power */
function superscript(power) {
  return String(power).replace(/[-0-9]/g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)]));
}

/**
 * Return a probability in percent.
 * @param {Value} value
 * @returns {string}
 */
export function percent(value) {
  const x = 100 * float(value);
  if (x === 0 || Number.isNaN(x)) return x === 0 ? "0 %" : "NaN";
  return x < 0.01 ? "< 0.01 %" : `${x >= 99.95 && x < 100 ? "> 99.9" : x.toPrecision(x < 1 ? 2 : 3)} %`;
}

/**
 * Return the attributes of an element that shows this number.
 * @param {string} name
 * @param {number[]} index
 * @param {Value} value
 */
export function exact(name, index, value) {
  return { "data-name": name, "data-index": index.join(","), "data-value": repr(value) };
}

/**
 * Return a number to be read and clicked.
 * @param {string} name of docs/NAMES.md, or a derived one
 * @param {number[]} index
 * @param {Value} value
 * @param {{text?: string, class?: string, label?: string, plain?: boolean}} [options] plain: it has no story
 */
export function number(name, index, value, options = {}) {
  const shown = options.text ?? short(value);
  const attributes = {
    class: `number ${options.class ?? ""}`.trim(),
    title: `${name}[${index.join("][")}] = ${repr(value)}`,
    ...exact(name, index, value),
  };
  if (options.plain) return h("span", attributes, shown);
  return h(
    "button",
    { type: "button", "aria-label": options.label && `${options.label}: ${shown}`, ...attributes },
    shown,
  );
}
