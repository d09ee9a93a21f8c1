// What one sees, kept in the address after #, so that it can be shared: nothing of it is sent to a server.

/**
 * @typedef {object} State
 * @property {string} prompt
 * @property {number[]} added ids of the tokens that were generated after the prompt
 * @property {string} view
 * @property {string} engine
 * @property {string} precision
 * @property {number} position the token that is looked at
 * @property {number} layer
 * @property {number} head
 * @property {number} token the id whose logit is looked at; -1: the likeliest
 * @property {Record<string, any>[]} change
 * @property {string} story name and index of the number whose story is open, "h.2.attn.scores 1,3,0"; "" for none
 * @property {number} temperature
 * @property {number} top_k
 * @property {number} top_p
 * @property {number} seed
 * @property {string} corrupt the second prompt, which is patched
 * @property {string} answer
 * @property {string} wrong
 * @property {string} chapter
 */

/** @type {State} */
export const DEFAULTS = {
  prompt: "",
  added: [],
  view: "map",
  engine: "packed",
  precision: "full",
  position: -1,
  layer: 0,
  head: 0,
  token: -1,
  change: [],
  story: "",
  temperature: 0.8,
  top_k: 40,
  top_p: 1,
  seed: 42,
  corrupt: "",
  answer: "",
  wrong: "",
  chapter: "",
};

/**
 * Return the value of a field; undefined if it cannot be one.
 * @param {string} name
 * @param {string} text
 * @param {State} defaults
 */
function parsed(name, text, defaults) {
  if (!Object.hasOwn(defaults, name)) return undefined;
  const like = /** @type {Record<string, any>} */ (defaults)[name];
  if (typeof like === "string") return text;
  try {
    const value = JSON.parse(text);
    return typeof value === typeof like && Array.isArray(value) === Array.isArray(like) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** @param {string} hash */
const fieldsOf = (hash) => [...new URLSearchParams(hash.replace(/^#/, ""))];

/**
 * Return the state that an address holds; what it lacks, or holds wrongly, is that of `defaults`.
 * @param {string} hash
 * @param {State} defaults
 * @returns {State}
 */
export function read(hash, defaults) {
  const state = /** @type {Record<string, any>} */ ({ ...defaults });
  for (const [name, text] of fieldsOf(hash)) state[name] = parsed(name, text, defaults) ?? state[name];
  return /** @type {State} */ (state);
}

/**
 * Return the fields of an address in whose place something else is shown.
 * @param {string} hash
 * @param {State} defaults
 * @param {Record<string, number | object>} ends what a number is less than, or an object that has the name
 */
export function misread(hash, defaults, ends) {
  const isRead = (/** @type {string} */ name, /** @type {string} */ text) => {
    const [value, end] = [parsed(name, text, defaults), ends[name]];
    if (typeof end === "object") return Object.hasOwn(end, value);
    if (typeof end !== "number") return value !== undefined;
    const least = Math.min(0, /** @type {Record<string, any>} */ (defaults)[name]); // -1: the last, or the likeliest
    return Number.isInteger(value) && value >= least && value < end;
  };
  return fieldsOf(hash).flatMap(([name, text]) => (isRead(name, text) ? [] : [`${name}=${text}`.slice(0, 60)]));
}

/**
 * Return the part of an address after #.
 * @param {State} state
 * @param {State} defaults
 */
export function written(state, defaults) {
  const fields = new URLSearchParams();
  fields.set("prompt", state.prompt);
  for (const [name, value] of Object.entries(state)) {
    const like = /** @type {Record<string, any>} */ (defaults)[name];
    if (name === "prompt" || JSON.stringify(value) === JSON.stringify(like)) continue;
    fields.set(name, typeof value === "string" ? value : JSON.stringify(value));
  }
  return `#${fields}`;
}
