// The plates of the atlas, in their order.

import attention from "./attention.js";
import change from "./change.js";
import contributions from "./contributions.js";
import feedForward from "./feed_forward.js";
import guide from "./guide.js";
import lens from "./lens.js";
import map from "./map.js";
import next from "./next.js";
import tokens from "./tokens.js";

/**
 * @typedef {object} View
 * @property {string} plate its number
 * @property {string} title
 * @property {string} [short] the title in the list of plates
 * @property {string} caption
 * @property {(run: import("../run.js").Run, go: import("../frame.js").Go) => Promise<(Node | null)[]>} show
 */

/** @type {Record<string, View>} */
export const VIEWS = { guide, tokens, map, attention, mlp: feedForward, lens, contributions, next, change };
