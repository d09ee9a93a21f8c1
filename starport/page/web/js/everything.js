// All values of a run, for scripts: window.starchart.trace.

/** @typedef {import("./run.js").Run} Run */

/**
 * Return nested lists whose NaN and infinities are numbers again.
 * @param {any} value
 * @returns {any}
 */
function floats(value) {
  return Array.isArray(value) ? value.map(floats) : Number(value);
}

/**
 * Return the values of a name, in parts where they are many.
 * @param {Run} run
 * @param {string} name
 * @param {number[]} shape
 * @param {number[]} at
 * @returns {Promise<any>}
 */
async function values(run, name, shape, at = []) {
  const count = shape.slice(at.length).reduce((a, b) => a * b, 1);
  if (count > run.model.most_numbers && at.length < shape.length) {
    const parts = [];
    for (let i = 0; i < shape[at.length]; i++) parts.push(await values(run, name, shape, [...at, i]));
    return parts;
  }
  return floats((await run.askAnew({ ask: "values", name, at })).values);
}

/**
 * Return ids, tokens, the fingerprint and every value by its name.
 * @param {Run} run
 */
export async function allValues(run) {
  const { ids, tokens, fingerprint, names } = run.trace;
  /** @type {Record<string, any>} */
  const all = {};
  for (const { name, shape } of names) all[name] = await values(run, name, shape);
  return { ids, tokens: tokens.map((/** @type {{text: string}} */ token) => token.text), values: all, fingerprint };
}
