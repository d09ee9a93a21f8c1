// Starts Python, keeps the address and the page in step, and shows one plate at a time.

import { askServer, AskError, LostError, workerTransport } from "./ask.js";
import { byId, h } from "./dom.js";
import { showHeader, showPlates, showRun } from "./frame.js";
import { Run } from "./run.js";
import { DEFAULTS, misread, read, written } from "./state.js";
import { busy, complain, lost, quiet } from "./status.js";
import { showStory } from "./story.js";
import { allValues } from "./everything.js";
import { VIEWS } from "./views/all.js";

/** @typedef {import("./state.js").State} State */

/** @type {Run} */
let run;
/** @type {State} */
let defaults = { ...DEFAULTS };
let turn = 0; // of showing; what an earlier turn still finds is not shown

/**
 * Change what one sees. The address changes with it.
 * @param {Partial<State>} changes
 * @returns {Promise<void>}
 */
export async function go(changes) {
  const state = { ...run.state, ...changes };
  const address = written(state, defaults);
  const kind = changes.view || changes.prompt !== undefined || changes.story ? "pushState" : "replaceState";
  if (address !== location.hash) history[kind](null, "", address);
  await show(state);
}

/**
 * Show this state, and resolve when it is shown.
 * @param {State} state
 */
async function show(state) {
  const mine = ++turn;
  const isCurrent = () => mine === turn;
  run.state = state;
  document.body.dataset.state = "busy";
  try {
    await run.open();
    if (!isCurrent()) return;
    showHeader(run, go); // before the trace: a trace that fails leaves a page that works
    const name = Object.hasOwn(VIEWS, state.view) ? state.view : "map";
    const view = VIEWS[name];
    showPlates(name);
    const plate = byId("plate");
    plate.setAttribute("aria-busy", "true");
    if (plate.dataset.view !== name) fillPlate(plate, view, []); // what takes long has a title at least
    await run.read(isCurrent);
    if (!isCurrent()) return;
    showRun(run, go);
    const story = showStory(run, go, isCurrent).catch((error) => error);
    const content = await view.show(run, go);
    if (!isCurrent()) return;
    const focus = focusPath(plate);
    fillPlate(plate, view, content);
    plate.dataset.view = name;
    plate.removeAttribute("aria-busy");
    focus?.();
    const fault = await story;
    if (!isCurrent()) return;
    if (fault) throw fault;
    const left = misread(location.hash, defaults, { ...run.ends, view: VIEWS });
    quiet(left.length ? `Not understood in the address, and left out: ${left.join(", ")}` : "");
    document.body.dataset.state = "ready";
  } catch (error) {
    if (isCurrent()) failed(error, state);
  }
}

/**
 * @param {HTMLElement} plate
 * @param {import("./views/all.js").View} view
 * @param {(Node | null)[]} content
 */
function fillPlate(plate, view, content) {
  const title = h("h2", {}, h("span", { class: "plate-number" }, `Plate ${view.plate}`), view.title);
  plate.replaceChildren(title, h("p", { class: "caption" }, view.caption), ...content.filter((one) => one !== null));
}

/**
 * Remember which element of the plate has the focus, and return what gives it to the one in its place.
 * @param {HTMLElement} plate
 */
function focusPath(plate) {
  const active = document.activeElement;
  if (!active || !plate.contains(active)) return null;
  const { id } = active;
  const selector = active.closest("[data-name]")
    ? `[data-name="${active.getAttribute("data-name")}"][data-index="${active.getAttribute("data-index")}"]`
    : `[data-key="${active.getAttribute("data-key")}"]`;
  return () =>
    /** @type {HTMLElement | null} */ (id ? document.getElementById(id) : plate.querySelector(selector))?.focus();
}

/**
 * @param {unknown} error
 * @param {State} state
 */
function failed(error, state) {
  document.body.dataset.state = "failed";
  quiet();
  byId("plate").removeAttribute("aria-busy");
  if (error instanceof LostError) lost(error.isOther, () => show(state));
  else if (error instanceof AskError) complain(error.message);
  else {
    complain(`This page failed: ${error}`);
    throw error;
  }
}

/**
 * @param {string} from the address of Pyodide
 * @param {string} why
 */
function noPython(from, why) {
  quiet();
  document.body.dataset.state = "failed";
  const last = why.trim().split("\n").pop();
  complain(`Python cannot be started from ${from}: ${last}. A site made with --pyodide DIR needs no other site.`);
}

async function start() {
  busy(0, 0, "Starting");
  const site = await (await fetch("site.json")).json();
  const ask = site.pyodide ? workerTransport(site, busy, (why) => noPython(site.pyodide, why)) : askServer;
  defaults = { ...DEFAULTS, prompt: site.prompt, ...site.engine };
  run = new Run(ask, read(location.hash, defaults));
  addEventListener("hashchange", () => show(read(location.hash, defaults)));
  addEventListener("popstate", () => show(read(location.hash, defaults)));
  await show(run.state);
  if (site.pyodide && "serviceWorker" in navigator) await navigator.serviceWorker.register("service_worker.js");
}

/** What scripts can ask of this page. */
const starchart = {
  /**
   * Trace a prompt, show it, and return everything that was computed.
   * @param {string} prompt
   */
  async trace(prompt) {
    await ready;
    await go({ prompt, added: [], position: -1, change: [], story: "" });
    return allValues(run);
  },
};
Object.assign(window, { starchart });

addEventListener("unhandledrejection", (event) => failed(event.reason, run?.state ?? DEFAULTS));
const ready = start().catch((error) => failed(error, run?.state ?? DEFAULTS));
