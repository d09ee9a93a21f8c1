// Python in the browser: loads Pyodide and the source of the engine, then answers questions, one after another.
// Messages: {start: site} first, then {id, request}; back come {progress} or {failed} of the start, {id, progress} and
// {id, answer}. A request and an answer are JSON.

const scope = /** @type {any} */ (self);

const SETUP = `
import sys
sys.path.insert(0, "/source")
from starport.page.answers import towel_in_the_browser
answer = towel_in_the_browser()
`;

/** @type {((request: string, progress: (done: number, of: number, text: string) => void) => string) | null} */
let answer = null;
/** @type {{id: number, request: string}[]} */
const early = [];

/**
 * Return a function that loads a file and checks its hash; it tells how many bytes of all files have come.
 * @param {Record<string, any>} site
 */
function loader(site) {
  const whole = Object.values(site.bytes).reduce((a, b) => a + b, 0) + site.source_bytes;
  let come = 0;
  const fetched = scope.fetch.bind(scope);
  return async (/** @type {string} */ address, /** @type {string} */ name) => {
    const response = await fetched(address, { integrity: site.integrity[name] });
    if (!response.ok || !response.body) throw new Error(`${address}: ${response.status} ${response.statusText}`);
    const counter = new TransformStream({
      transform(chunk, controller) {
        come += chunk.length;
        scope.postMessage({ progress: [come, whole, "loading Python and the model"] });
        controller.enqueue(chunk);
      },
    });
    const kind = name.endsWith(".wasm") ? "application/wasm" : "application/octet-stream"; // whatever the host says
    return new Response(response.body.pipeThrough(counter), { headers: { "Content-Type": kind } });
  };
}

/** @param {Record<string, any>} site */
async function start(site) {
  const load = loader(site);
  const base = new URL(site.pyodide, new URL("../", scope.location.href)).href;
  const source = load(new URL(`../${site.source}`, scope.location.href).href, site.source).then((it) =>
    it.arrayBuffer(),
  );
  // A module that is imported cannot be given a hash: it is fetched with one, and imported from what was fetched.
  const imported = async (/** @type {string} */ name) => {
    const code = await (await load(base + name, name)).blob();
    const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    return import(address).finally(() => URL.revokeObjectURL(address));
  };
  // Pyodide fetches its other files itself.
  scope.fetch = (/** @type {string | URL} */ address) => load(String(address), String(address).split("/").pop() ?? "");
  const [{ loadPyodide }, made] = await Promise.all([imported("pyodide.mjs"), imported("pyodide.asm.mjs")]);
  const pyodide = await loadPyodide({
    indexURL: base,
    createPyodideModule: made.default,
    lockFileContents: site.lock,
    packageBaseUrl: base,
  });
  scope.postMessage({ progress: [0, 0, "opening the model"] });
  pyodide.unpackArchive(await source, "zip", { extractDir: "/source" });
  const globals = pyodide.toPy({});
  await pyodide.runPythonAsync(SETUP, { globals });
  answer = globals.get("answer");
  for (const data of early.splice(0)) reply(data);
}

/** @param {{id: number, request: string}} data */
function reply({ id, request }) {
  if (!answer) return;
  const progress = (/** @type {number} */ done, /** @type {number} */ of, /** @type {string} */ text) =>
    scope.postMessage({ id, progress: [done, of, text] });
  scope.postMessage({ id, answer: answer(request, progress) });
}

scope.addEventListener("message", (/** @type {MessageEvent} */ { data }) => {
  if (data.start) start(data.start).catch((error) => scope.postMessage({ failed: String(error.message ?? error) }));
  else if (answer) reply(data);
  else early.push(data);
});
