// Questions to Python: over HTTP to the server on this machine, or to Pyodide in a worker. The views do not notice which.

/** @typedef {Record<string, any>} Message */
/** @typedef {[done: number, of: number, text: string]} Far */
/** @typedef {(...far: Far) => void} Progress */
/** @typedef {(request: Message, progress: Progress) => Promise<Message>} Transport */

/** A question that has no answer; the message says why. */
export class AskError extends Error {
  /**
   * @param {string} message
   * @param {boolean} gone the trace is not kept any more
   */
  constructor(message, gone = false) {
    super(message);
    this.gone = gone;
  }
}

/** The server does not answer; `isOther` if another run of it does. */
export class LostError extends Error {
  /** @param {boolean} isOther */
  constructor(isOther) {
    super(isOther ? "another server answers" : "the server does not answer");
    this.isOther = isOther;
  }
}

/**
 * Return the answer that a message holds. Throws AskError for an error.
 * @param {Message} answer
 */
function checked(answer) {
  if (answer.error) throw new AskError(answer.error, Boolean(answer.gone));
  return answer;
}

/** @type {Transport} */
export async function askServer(request, progress) {
  let last = null;
  try {
    const response = await fetch("ask", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(request),
    });
    if (response.status === 403) throw new LostError(true);
    if (!response.ok || !response.body) throw new AskError((await response.text()).trim() || response.statusText);
    let rest = "";
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        last = JSON.parse(line);
        if (last.progress) progress(.../** @type {Far} */ (last.progress));
      }
    }
  } catch (error) {
    if (error instanceof AskError || error instanceof LostError) throw error;
    throw new LostError(false);
  }
  if (!last?.answer) throw new LostError(false); // it was killed while it answered
  return checked(last.answer);
}

/**
 * Start Python in a worker, and return how to ask it. `progress` hears of the start.
 * @param {Message} site what site.json says
 * @param {Progress} progress
 * @param {(message: string) => void} failed
 * @returns {Transport}
 */
export function workerTransport(site, progress, failed) {
  const worker = new Worker("js/worker.js", { type: "module" });
  /** @type {Map<number, {resolve: (answer: Message) => void, progress: Progress}>} */
  const waiting = new Map();
  let count = 0;
  worker.addEventListener("message", ({ data }) => {
    if (data.failed) {
      progress = () => {}; // what still loads is of no use
      failed(data.failed);
    } else if (data.id === undefined) progress(.../** @type {Far} */ (data.progress));
    else if (data.progress) waiting.get(data.id)?.progress(.../** @type {Far} */ (data.progress));
    else {
      waiting.get(data.id)?.resolve(JSON.parse(data.answer));
      waiting.delete(data.id);
    }
  });
  worker.addEventListener("error", (event) => failed(event.message || "the worker cannot be started"));
  worker.postMessage({ start: site });
  return async (request, heard) => {
    const id = count++;
    /** @type {Promise<Message>} */
    const answer = new Promise((resolve) => waiting.set(id, { resolve, progress: heard }));
    worker.postMessage({ id, request: JSON.stringify(request) });
    return checked(await answer);
  };
}
