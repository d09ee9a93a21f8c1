// The line that says what goes on, and the box that says what went wrong.

import { byId, h } from "./dom.js";

const PATIENCE = 150; // milliseconds that a short question may take without a word
const RETRY = 1000; // milliseconds between two tries to reach the server

let timer = 0;
let timerOfRetry = 0;

/**
 * Show how far something is. Without `of` nobody knows how far.
 * @param {number} done
 * @param {number} of
 * @param {string} text
 */
export function busy(done, of, text) {
  const bar = /** @type {HTMLProgressElement} */ (byId("progress"));
  bar.hidden = false;
  if (of > 0) bar.value = done / of;
  else bar.removeAttribute("value");
  const line = of > 0 ? `${text}: ${Math.round((100 * done) / of)} %` : text;
  byId("status-text").textContent = line;
  if (!timer) timer = window.setTimeout(() => byId("status").classList.add("shown"), PATIENCE);
}

/**
 * Nothing goes on any more.
 * @param {string} note what is still to be said
 */
export function quiet(note = "") {
  clearTimeout(timer);
  timer = 0;
  byId("status").classList.toggle("shown", note !== "");
  byId("progress").hidden = true;
  byId("status-text").textContent = note || "Ready";
  const box = byId("alert");
  if (!box.dataset.lost) box.hidden = true;
}

/**
 * Say in one line what went wrong.
 * @param {string} line
 * @param {...Node} more
 */
export function complain(line, ...more) {
  const box = byId("alert");
  delete box.dataset.lost;
  box.replaceChildren(line, ...more);
  box.hidden = false;
}

/**
 * Say that the server is lost, and go on when it is back.
 * @param {boolean} isOther whether another run of it answers, which has another address
 * @param {() => void} again
 */
export function lost(isOther, again) {
  if (isOther) {
    complain("Another run of the server answers here. Paste the address that it printed: ", addressForm());
    return;
  }
  complain(
    "The server does not answer: was it ended? Start `starchart explore` again. This page tries again every second.",
  );
  byId("alert").dataset.lost = "true";
  clearInterval(timerOfRetry); // of what was asked for before: only the latest is shown
  const mine = window.setInterval(async () => {
    const response = await fetch("site.json").catch(() => null);
    if (!response || mine !== timerOfRetry) return;
    clearInterval(timerOfRetry);
    delete byId("alert").dataset.lost;
    if (response.status === 403) lost(true, again);
    else again();
  }, RETRY);
  timerOfRetry = mine;
}

/** A form that opens what one sees at another address. */
function addressForm() {
  const input = /** @type {HTMLInputElement} */ (
    h("input", { type: "url", "aria-label": "Address that the server printed", required: true })
  );
  const open = (/** @type {Event} */ event) => {
    event.preventDefault();
    const address = URL.canParse(input.value) ? new URL(input.value) : null;
    if (address?.protocol === "http:") location.assign(address.origin + address.pathname + location.hash);
  };
  return h("form", { onsubmit: open }, input, h("button", { type: "submit" }, "Open"));
}
