// Keeps the files of the static site, so that it works offline once it was loaded. Each version of the site has a cache
// of its own. It begins only after the page has shown a prompt, and then finds most files in the browser's own cache.

const scope = /** @type {any} */ (self);
const VERSION = "VERSION"; // replaced where the site is written
const KEPT = `starchart-${VERSION}`;

scope.addEventListener("install", (/** @type {any} */ event) => {
  event.waitUntil(keepAll().then(() => scope.skipWaiting()));
});

scope.addEventListener("activate", (/** @type {any} */ event) => {
  event.waitUntil(removeOthers().then(() => scope.clients.claim()));
});

scope.addEventListener("fetch", (/** @type {any} */ event) => {
  if (event.request.method === "GET") event.respondWith(answer(event.request));
});

async function keepAll() {
  const cache = await caches.open(KEPT);
  const fresh = { cache: /** @type {RequestCache} */ ("no-cache") }; // asks whether the browser's own copy is still right
  const site = await (await fetch("site.json", fresh)).json();
  await cache.addAll(site.files.map((/** @type {string} */ file) => new Request(file, fresh)));
  const base = new URL(site.pyodide, scope.registration.scope);
  for (const [name, integrity] of Object.entries(site.integrity)) {
    const request = new Request(new URL(name, base), { integrity: String(integrity), mode: "cors" });
    if (!(await cache.match(request))) await cache.add(request);
  }
}

async function removeOthers() {
  for (const name of await caches.keys()) if (name.startsWith("starchart-") && name !== KEPT) await caches.delete(name);
}

/** @param {Request} request */
async function answer(request) {
  const cache = await caches.open(KEPT);
  return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
}
