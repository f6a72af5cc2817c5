// Connects RxDB's replication with a Carrel server. See docs/offline-clients.md.

/**
 * @typedef {Record<string, any>} Doc
 * @typedef {{ cursor: string }} Checkpoint
 * @typedef {{ newDocumentState: Doc, assumedMasterState?: Doc }} Row
 * @typedef {{ next: (item: any) => void }} Listener
 * @typedef {{ url?: string, token?: string | (() => string | Promise<string>), locale?: string, fields?: "card" | "full", batchSize?: number, fetch?: typeof fetch }} Options
 */

const BATCH = 500; // documents in a page
const SETTLE = 100; // milliseconds in which the database notes that a push was taken
const PAUSE = 1_000; // milliseconds, about, before a stream that ended is opened again; doubled each time that it fails
const LONGEST_PAUSE = 60_000;

/** What the server refused, and why. */
export class SyncError extends Error {
  /** @param {number} status @param {{ title?: string, detail?: string, code?: string }} problem */
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}`);
    this.name = "SyncError";
    this.status = status;
    this.code = problem.code;
  }
}

/**
 * The id that a document has on every device: two devices that make the same then make one.
 * @param {string} course @param {string} [lesson] of progress: the lesson's id within the course
 */
export const documentId = (course, lesson) => (lesson === undefined ? course : `${course}/${lesson}`);

/**
 * A conflict handler for collections that keeps what the learner changed, field by field. RxDB's own drops it.
 */
export const keepLocalChanges = {
  /** @param {Doc} a @param {Doc} b */
  isEqual: (a, b) => same(a, b),
  /** @param {{ newDocumentState: Doc, assumedMasterState?: Doc, realMasterState: Doc }} conflict */
  resolve({ newDocumentState: mine, assumedMasterState: base = {}, realMasterState: theirs }) {
    if (theirs._deleted) return theirs;
    const kept = { ...theirs };
    for (const name of Object.keys(mine)) {
      if (name !== "id" && name !== "version" && mine[name] !== undefined && !same(mine[name], base[name])) kept[name] = mine[name];
    }
    return kept;
  },
};

/** @param {any} a @param {any} b @returns {boolean} */
function same(a, b) {
  if (a === b || typeof a !== "object" || typeof b !== "object" || !a || !b) return a === b;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => same(a[name], b[name]));
}

/** @param {number} time @param {AbortSignal} signal */
const sleep = (time, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, time);
  signal.addEventListener("abort", () => { clearTimeout(timer); resolve(undefined); });
});

/** The items of a stream of server-sent events. @param {Response} response */
async function* events(response) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  for (let text = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (text + decoder.decode(value, { stream: true })).split("\n");
    text = /** @type {string} */ (lines.pop());
    for (const line of lines) if (line.startsWith("data: ")) yield JSON.parse(line.slice(6));
  }
}

/**
 * @param {Options} [options] url: the server's address, "" for the page's own; token: a bearer token, or a function that gives one; locale: "en", "fr" or "zh-Hans", else
 *   the browser's.
 */
export function createReplication({ url = "", token, locale, fields, batchSize = BATCH, fetch: send = (...args) => fetch(...args) } = {}) {
  const address = `${url.replace(/\/+$/, "")}/v2/sync/rxdb/`;

  /** @param {string} path @param {Record<string, unknown>} parameters @param {RequestInit} [init] */
  async function ask(path, parameters, init = {}) {
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries({ locale, ...parameters })) if (value !== undefined) query.set(key, String(value));
    const headers = new Headers({ "Content-Type": "application/json" });
    const bearer = typeof token === "function" ? await token() : token;
    if (bearer) headers.set("Authorization", `Bearer ${bearer}`);
    const response = await send(`${address}${path}?${query}`, { ...init, headers });
    if (!response.ok) throw new SyncError(response.status, await response.json().catch(() => ({})));
    return response;
  }

  /** @param {string} name @param {Checkpoint | undefined} checkpoint @param {number} limit @returns {Promise<{ documents: Doc[], checkpoint: Checkpoint }>} */
  const page = async (name, checkpoint, limit) => (await ask(encodeURIComponent(name), { checkpoint: checkpoint && JSON.stringify(checkpoint), limit, fields })).json();

  /**
   * Everything that there is; what the device has beside it is gone. RxDB leaves alone what was changed here and not pushed yet.
   * @param {any} collection @param {string} name
   */
  async function everything(collection, name) {
    /** @type {Doc[]} */
    const documents = [];
    /** @type {Checkpoint | undefined} */
    let checkpoint;
    for (let more = true; more; ) {
      const next = await page(name, checkpoint, batchSize);
      documents.push(...next.documents);
      checkpoint = next.checkpoint;
      more = next.documents.length >= batchSize;
    }
    const came = new Set(documents.map((doc) => doc.id));
    for (const doc of await collection.find().exec()) if (!came.has(doc.primary)) documents.push({ ...doc.toMutableJSON(), _deleted: true });
    return { documents, checkpoint };
  }

  /**
   * Listens to the server's stream, and to the next one when it ends. After a pause something may have been missed: the server's first item says so.
   * @param {string} name @param {Listener} listener
   */
  function subscribe(name, { next }) {
    const stop = new AbortController();
    (async () => {
      for (let pause = PAUSE; !stop.signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
        try {
          for await (const item of events(await ask(`${encodeURIComponent(name)}/stream`, {}, { signal: stop.signal }))) {
            pause = PAUSE;
            next(item);
          }
        } catch {
          // offline, or the server ended: again
        }
        if (!stop.signal.aborted) await sleep(pause * (0.5 + Math.random()), stop.signal);
      }
    })();
    return { unsubscribe: () => stop.abort() };
  }

  /**
   * Makes the arguments of replicateRxCollection for a collection.
   * @param {any} collection @param {string} [name] the server's name of it
   */
  function replication(collection, name = collection.name) {
    let turn = Promise.resolve();
    /**
     * Pulls and pushes take turns. RxDB leaves alone what comes while it was changed here and is being pushed, and would not ask for it again: the outcome of a push,
     * when it comes by a pull before the database has noted that the push was taken.
     * @template T @param {() => Promise<T>} work @param {number} [pause] @returns {Promise<T>}
     */
    const inTurn = (work, pause = 0) => {
      const done = turn.then(work);
      turn = done.then(() => {}, () => {}).then(() => new Promise((resolve) => setTimeout(resolve, pause)));
      return done;
    };
    return {
      collection,
      replicationIdentifier: `${address}${name}`,
      deletedField: "_deleted",
      pull: {
        batchSize,
        /** @param {Checkpoint | undefined} checkpoint @param {number} limit */
        handler: (checkpoint, limit) => inTurn(async () => {
          if (!checkpoint?.cursor) return everything(collection, name);
          try {
            return await page(name, checkpoint, limit);
          } catch (error) {
            if (error instanceof SyncError && error.status === 410) return everything(collection, name);
            throw error;
          }
        }),
        stream$: { subscribe: (/** @type {Listener} */ listener) => subscribe(name, listener) },
      },
      push: {
        batchSize,
        /** @param {Row[]} rows @returns {Promise<Doc[]>} */
        handler: (rows) => inTurn(async () => (await ask(encodeURIComponent(name), { fields }, { method: "POST", body: JSON.stringify(rows) })).json(), SETTLE),
      },
    };
  }

  /**
   * Waits until all is pushed, asks when that takes too long, and forgets everything: the device may be somebody else's next.
   * @param {any} database @param {any[]} states of the replications @param {() => boolean | Promise<boolean>} confirm whether to lose what was not pushed
   * @param {number} [patience] milliseconds
   * @returns {Promise<boolean>} whether it is done
   */
  async function signOut(database, states, confirm, patience = 10_000) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const late = new Promise((resolve) => { timer = setTimeout(() => resolve(false), patience); });
    const pushed = Promise.all(states.map((state) => state.awaitInSync())).then(() => true);
    const done = await Promise.race([pushed, late]);
    clearTimeout(timer);
    if (!done && !(await confirm())) return false;
    await Promise.all(states.map((state) => state.cancel()));
    await database.remove();
    return true;
  }

  return { replication, signOut };
}
