// @ts-check
// The service worker: without a network it answers with a page that draws itself from what the device keeps. The server puts a line before this file that
// says what the shell is made of (web/offline.go); another shell makes another file, and so an update.
//
// It keeps that shell and nothing else: no page of anybody's, no answer of the API. What a learner has is in a database of their own (offline/store.js).

const worker = /** @type {any} */ (self);
/** @type {{version: string, files: string[], pages: Record<string, string>}} */
const shell = worker.SHELL;
const CACHE = "carrel-shell-" + shell.version;
const STATE = "carrel-state"; // holds the language of the page seen last
const OURS = { cacheName: CACHE, ignoreVary: true }; // to open it instead would make it again after it was wiped
const SLOW = 8_000; // ms after which a page that does not come is drawn from the device: a network that answers nothing is none

worker.addEventListener("install", (/** @type {any} */ e) => e.waitUntil(install()));
worker.addEventListener("activate", (/** @type {any} */ e) => e.waitUntil(activate()));
worker.addEventListener("fetch", (/** @type {any} */ e) => {
  const { request } = e, url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (request.mode === "navigate" && !url.pathname.startsWith("/v2/")) e.respondWith(page(e, url));
  else if (shell.files.includes(url.pathname)) e.respondWith(file(request));
});

async function install() {
  const cache = await caches.open(CACHE);
  await cache.addAll(shell.files);
  // The pages are fetched as nobody, so that no name is in them.
  await Promise.all(Object.values(shell.pages).map((url) => cache.add(new Request(url, { credentials: "omit", cache: "reload" }))));
  await worker.skipWaiting();
}

async function activate() {
  for (const name of await caches.keys()) {
    if (name.startsWith("carrel-shell-") && name !== CACHE) await caches.delete(name);
  }
  await worker.registration.navigationPreload?.enable(); // the page is on its way while this starts
  await worker.clients.claim();
}

/** A page: the server's, else the shell. @param {any} e @param {URL} url */
async function page(e, url) {
  const fetched = (async () => await e.preloadResponse || fetch(e.request))();
  fetched.catch(() => {}); // when it fails after we gave up
  const late = new Promise((_, no) => { setTimeout(() => no(new Error("slow")), SLOW); });
  try {
    const answer = await Promise.race([fetched, late]);
    if (![502, 504].includes(answer.status)) return answer; // those say that a proxy did not reach the server
  } catch { /* there is no network */ }
  return await shellIn(await language(url)) || fetched;
}

/** @param {string} tag */
const shellIn = (tag) => caches.match(shell.pages[tag], OURS);

/** The language to answer in: that which the address asks for, else that of the page seen last. @param {URL} url */
async function language(url) {
  const asked = url.searchParams.get("locale") || "";
  if (asked in shell.pages) {
    await (await caches.open(STATE)).put("/offline", new Response(asked));
    return asked;
  }
  const last = await (await caches.match("/offline", { cacheName: STATE }))?.text() || "";
  return last in shell.pages ? last : Object.keys(shell.pages)[0];
}

/** A file of the shell. Its name holds a hash of it, so ours is the right one. @param {Request} request */
const file = async (request) => await caches.match(request, OURS) || fetch(request);
