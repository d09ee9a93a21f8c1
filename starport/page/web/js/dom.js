// Elements made by hand: text goes in as text, never as HTML.

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, any>} Attributes */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Set attributes: `class`, `style` (an object of CSS properties), `onNAME` (a listener), and all others by their names.
 * @param {Element} element
 * @param {Attributes} attributes
 */
function dress(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") {
      for (const [property, text] of Object.entries(value))
        /** @type {HTMLElement} */ (element).style.setProperty(property, String(text));
    } else element.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * @param {Element} element
 * @param {Child[]} children
 */
function fill(element, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Return an HTML element.
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  dress(element, attributes);
  fill(element, /** @type {Child[]} */ (children));
  return element;
}

/**
 * Return an SVG element.
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {SVGElement}
 */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  dress(element, attributes);
  fill(element, /** @type {Child[]} */ (children));
  return element;
}

/**
 * Return a function that makes elements of one kind; attributes come first and may be left out.
 * @param {string} tag
 * @param {Attributes} [always]
 * @returns {(...parts: (Attributes | Child | Child[])[]) => HTMLElement}
 */
function maker(tag, always = {}) {
  return (first, ...rest) => {
    const isAttributes = first?.constructor === Object;
    const children = /** @type {Child[]} */ (isAttributes ? rest : [first, ...rest]);
    return h(tag, isAttributes ? { ...always, .../** @type {Attributes} */ (first) } : always, ...children);
  };
}

export const button = maker("button", { type: "button" });
export const code = maker("code");
export const div = maker("div");
export const p = maker("p");
export const span = maker("span");
export const td = maker("td");
export const rowHead = maker("th", { scope: "row" });
export const note = maker("p", { class: "note" });

/**
 * Return a table: a row is its cells, or an element; its first cell is its head.
 * @param {Attributes} attributes
 * @param {Child[]} caption
 * @param {Child[]} heads
 * @param {(Element | Child[])[]} rows
 * @param {Child[][]} foot
 */
export function table(attributes, caption, heads, rows, foot = []) {
  const kindOf = (/** @type {number} */ i) => body[0]?.children[i]?.className; // a head stands as its column does
  const made = (/** @type {Element | Child[]} */ row) =>
    row instanceof Element ? row : h("tr", {}, rowHead(row[0]), row.slice(1).map(cell));
  const body = rows.map(made);
  return h(
    "table",
    attributes,
    h("caption", {}, caption),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        heads.map((head, i) => h("th", { scope: "col", class: kindOf(i) }, h("span", {}, head))),
      ),
    ),
    h("tbody", {}, body),
    foot.length ? h("tfoot", {}, foot.map(made)) : null,
  );
}

/** @param {Child} content */
const cell = (content) => (content instanceof Element && content.matches("td, th") ? content : td(content));

/**
 * Return a part that scrolls sideways where it is wider than the page.
 * @param {string} label
 * @param {Child} content
 */
export function scrolling(label, content) {
  return div({ class: "scroll", tabindex: "0", role: "region", "aria-label": label }, content);
}

/**
 * Return the element with this id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found;
}

/**
 * Let the arrow keys, Home and End move the focus among the elements that `selector` matches; one is in the tab order.
 * @param {HTMLElement} container
 * @param {string} selector
 * @param {number} columns how many elements a row has
 */
export function arrowKeys(container, selector, columns = Infinity) {
  const all = () => /** @type {HTMLElement[]} */ ([...container.querySelectorAll(selector)]);
  const enter = (/** @type {HTMLElement} */ one) => {
    for (const other of all()) other.tabIndex = other === one ? 0 : -1;
  };
  const first = all().find((one) => one.getAttribute("aria-selected") === "true") ?? all()[0];
  if (first) enter(first);
  container.addEventListener("focusin", (event) => {
    const one = /** @type {HTMLElement} */ (event.target);
    if (one.matches(selector)) enter(one);
  });
  container.addEventListener("keydown", (event) => {
    const list = all();
    const here = list.indexOf(/** @type {HTMLElement} */ (event.target));
    /** @type {Record<string, number>} */
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
    /** @type {Record<string, number>} */
    const ends = { Home: 0, End: list.length - 1 };
    const to = event.key in ends ? ends[event.key] : here + (steps[event.key] ?? NaN);
    const isSideways = event.key === "ArrowLeft" || event.key === "ArrowRight"; // at an end too: it draws no token
    if (here < 0 || event.ctrlKey || event.altKey || event.metaKey || !(list[to] || isSideways)) return;
    event.preventDefault();
    event.stopPropagation();
    list[to]?.focus();
  });
}
