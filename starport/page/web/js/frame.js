// What surrounds the plates: prompt, engine, badge, tokens, and the list of plates.

import { button, byId, code, div, h, p, span } from "./dom.js";
import { VIEWS } from "./views/all.js";

/** @typedef {import("./run.js").Run} Run */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./ask.js").Message} Message */
/** @typedef {(changes: Partial<State>) => Promise<void>} Go */

let stepping = false; // a key that is held down must not draw before the last token has come

/** @param {HTMLTextAreaElement} field */
function fitted(field) {
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight + 2, 160)}px`;
}

/**
 * Bring prompt, engine and title up to date. Needs no trace.
 * @param {Run} run
 * @param {Go} go
 */
export function showHeader(run, go) {
  const { model, state } = run;
  const field = /** @type {HTMLTextAreaElement} */ (byId("prompt"));
  const engine = /** @type {HTMLSelectElement} */ (byId("engine"));
  if (!engine.options.length) wire(run, go, field, engine);
  if (document.activeElement !== field) field.value = state.prompt;
  fitted(field);
  engine.value = `${state.engine}, ${state.precision}`;
  if (engine.selectedIndex < 0) engine.selectedIndex = 0; // an engine that is not there
  byId("model").textContent = model.name;
  document.title = `${state.prompt.slice(0, 40) || "Starchart"} · every number of ${model.name}`;
}

/**
 * Bring badge and tokens up to date.
 * @param {Run} run
 * @param {Go} go
 */
export function showRun(run, go) {
  const { model, state, trace } = run;
  showBadge(trace, state.change.length);
  showStrip(run, go);
  byId("colophon").replaceChildren(
    `${model.name}: ${model.parameters.toLocaleString("en")} parameters in ${model.config.n_layer} blocks. Every number is computed by Python's standard library; each engine gives the same bits on every machine. Starchart, MIT licence.`,
  );
}

/**
 * @param {Run} run
 * @param {Go} go
 * @param {HTMLTextAreaElement} field
 * @param {HTMLSelectElement} engine
 */
function wire(run, go, field, engine) {
  for (const { engine: name, precision } of run.model.engines) engine.append(h("option", {}, `${name}, ${precision}`));
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const [name, precision] = engine.value.split(", ");
    const afresh = document.body.dataset.state === "failed" ? { change: [] } : {};
    go({ prompt: field.value, added: [], position: -1, story: "", token: -1, engine: name, precision, ...afresh });
  };
  byId("prompt-form").addEventListener("submit", submit);
  field.addEventListener("input", () => fitted(field));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) submit(event);
  });
  engine.addEventListener("change", () => {
    const [name, precision] = engine.value.split(", ");
    go({ engine: name, precision });
  });
  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const isDark =
      (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    root.dataset.theme = isDark ? "light" : "dark";
    go({});
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => go({}));
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address has the state, not a place
    byId("plate").focus();
  });
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (
      event.defaultPrevented ||
      event.altKey ||
      event.ctrlKey ||
      event.metaKey ||
      target.matches("input, textarea, select, pre, .scroll") // these scroll sideways
    )
      return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      step(run, go, event.key === "ArrowRight" ? 1 : -1);
    }
  });
}

/**
 * Look at the next token, or the one before. After the last one, draw a new token.
 * @param {Run} run
 * @param {Go} go
 * @param {number} by
 */
export async function step(run, go, by) {
  if (!run.trace.ids || stepping || run.position + by < 0) return;
  stepping = true;
  await stepTo(run, go, run.position + by).finally(() => (stepping = false));
}

/**
 * @param {Run} run
 * @param {Go} go
 * @param {number} to
 */
async function stepTo(run, go, to) {
  if (to < run.trace.ids.length) await go({ position: to === run.trace.ids.length - 1 ? -1 : to });
  else if (run.trace.ids.length < run.model.config.n_positions) {
    const { drawn } = await run.next();
    await go({ added: [...run.state.added, drawn.token.id], position: -1 });
  }
}

/**
 * @param {import("./ask.js").Message} trace
 * @param {number} changes
 */
function showBadge(trace, changes) {
  const badge = byId("badge");
  const words = changes
    ? ["changed", "these logits are of a changed run"]
    : trace.published === true
      ? ["published", "these are the published bits: docs/FINGERPRINTS.md has the same fingerprint"]
      : trace.published === false
        ? ["not as published", "docs/FINGERPRINTS.md has another fingerprint for this prompt"]
        : ["", "no fingerprint is published for these tokens"];
  badge.hidden = false;
  badge.dataset.state = words[0];
  badge.title = `${words[1]}\nsha256 of the last row of logits: ${trace.fingerprint}`;
  badge.replaceChildren(
    span({ class: "seal", "aria-hidden": "true" }, trace.published && !changes ? "✦" : "✧"),
    span(
      "fingerprint ",
      code({ id: "fingerprint", "data-fingerprint": trace.fingerprint }, trace.fingerprint.slice(0, 16)),
    ),
    span({ class: "verdict" }, words[0]),
    span({ class: "visually-hidden" }, words[1]),
  );
}

/**
 * @param {Run} run
 * @param {Go} go
 */
function showStrip(run, go) {
  const strip = byId("strip");
  const hadFocus = strip.contains(document.activeElement) && document.activeElement?.classList.contains("token");
  const { tokens } = run.trace;
  const { added, change } = run.state;
  const last = tokens.length - 1;
  const chips = tokens.map((/** @type {Message} */ token, /** @type {number} */ t) => {
    const isAdded = t >= run.promptLength;
    const attributes = {
      class: `token${isAdded ? " added" : ""}`,
      tabindex: t === run.position ? 0 : -1,
      "aria-pressed": String(t === run.position),
      title: `token ${t}, id ${token.id}${isAdded ? ", drawn" : ""}`,
      onclick: () => go({ position: t === last ? -1 : t }),
    };
    return button(attributes, token.shown, h("small", {}, t));
  });
  const draw = button(
    { class: "draw", id: "draw", onclick: () => step(run, go, tokens.length - run.position) },
    "draw the next →",
  );
  const back = button(
    { class: "quiet", onclick: () => go({ added: added.slice(0, -1), position: -1 }) },
    "← take back",
  );
  const undo = button({ onclick: () => go({ change: [] }) }, "Undo all");
  strip.replaceChildren(div({ class: "chips" }, chips, draw, added.length ? back : null));
  if (change.length)
    strip.append(
      p({ class: "changed" }, `The run is changed in ${change.length} place${change.length > 1 ? "s" : ""}. `, undo),
    );
  if (hadFocus) chips[run.position].focus();
}

/** @param {string} shown the name of the plate that is shown */
export function showPlates(shown) {
  const nav = byId("plates");
  if (!nav.childElementCount) {
    for (const [name, view] of Object.entries(VIEWS)) {
      nav.append(
        h("a", { "data-view": name }, h("span", { "aria-hidden": "true" }, view.plate), view.short ?? view.title),
      );
    }
  }
  for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (nav.querySelectorAll("a"))) {
    const fields = new URLSearchParams(location.hash.slice(1));
    fields.set("view", link.dataset.view ?? "");
    link.href = `#${fields}`;
    if (link.dataset.view !== shown) link.removeAttribute("aria-current");
    else {
      link.setAttribute("aria-current", "page");
      const { left, right } = link.getBoundingClientRect();
      if (left < 0 || right > innerWidth) nav.scrollLeft += left - 40; // on a small screen
    }
  }
}
