// @ts-check
// What a device keeps of the catalog and of one learner, in IndexedDB. Each learner has a database of their own, so that two who share a browser never see
// each other's rows; whoever is not signed in has one for the public catalog.
//
//   rows   what the server has, as it was pulled, by kind and id. What was done here and not sent yet is not in them: it lies over them when
//          they are read (queue.js), so that a pull can replace any row and loses nothing.
//   queue  what was done here, by number
//   meta   one record, the State below. It changes in the same transaction as the rows and the queue that it speaks of.

import { coalesce, lay, result } from "./queue.js";

/**
 * @typedef {{kind: string, id: string, version: number, doc: any, pass?: number}} Row
 * @typedef {{kind: string, id: string, op: string, version: number, doc?: any}} Change
 * @typedef {{changes: Change[], cursor: string, more: boolean}} Page
 * @typedef {import("./queue.js").Mutation} Mutation
 * @typedef {import("./queue.js").Told} Told
 * @typedef {object} State
 * @property {string} cursor where to go on; "" is the start
 * @property {string} locale the language of the rows
 * @property {number} pass counts the passes that began at the start
 * @property {boolean} replacing such a pass is under way: its rows replace ours whatever their version, and what does not come again goes
 * @property {string} client this device's id for the server, under which mutations are numbered
 * @property {number} next the number of the next mutation
 * @property {number} synced when all was pulled and sent last, in ms; 0 is never
 * @property {number} proved when the rows were held against the server's sums last, in ms; 0 is never
 */

const VERSION = 1; // of the stores and their keys

/** The name of a learner's database. @param {string} who */
export const databaseOf = (who) => who === "" ? "carrel" : "carrel:" + who;

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const answer = (request) => new Promise((yes, no) => {
  request.onsuccess = () => yes(request.result);
  request.onerror = () => no(request.error);
});

/** @param {IDBTransaction} tx @returns {Promise<void>} */
const committed = (tx) => new Promise((yes, no) => {
  tx.oncomplete = () => yes();
  tx.onabort = () => no(tx.error);
});

/** Opens a learner's database, and makes it when there is none. @param {string} who @returns {Promise<Store>} */
export async function openStore(who) {
  const request = indexedDB.open(databaseOf(who), VERSION);
  request.onupgradeneeded = () => {
    const db = request.result;
    db.createObjectStore("rows", { keyPath: ["kind", "id"] });
    db.createObjectStore("queue", { keyPath: "n" });
    db.createObjectStore("meta");
  };
  const db = await answer(request);
  db.onversionchange = () => db.close(); // it is being deleted, or made anew by a newer version of these pages
  return new Store(who, db);
}

/** Deletes a learner's database. @param {string} who @returns {Promise<void>} */
export async function deleteStore(who) {
  await answer(indexedDB.deleteDatabase(databaseOf(who)));
}

/** @returns {State} */
const fresh = () => ({ cursor: "", locale: "", pass: 0, replacing: false, client: crypto.randomUUID(), next: 1, synced: 0, proved: 0 });

export class Store {
  /** @param {string} who @param {IDBDatabase} db */
  constructor(who, db) {
    this.who = who;
    this.db = db;
  }

  close() { this.db.close(); }

  /**
   * Runs a step in one transaction: all of it is kept, or nothing.
   * @template T
   * @param {(at: {rows: IDBObjectStore, queue: IDBObjectStore, state: State}) => T | Promise<T>} step may wait for requests of these stores, and for nothing else
   * @returns {Promise<T>}
   */
  async change(step) {
    const tx = this.db.transaction(["rows", "queue", "meta"], "readwrite");
    const end = committed(tx), meta = tx.objectStore("meta");
    try {
      const state = /** @type {State} */ (await answer(meta.get("state"))) || fresh();
      const out = await step({ rows: tx.objectStore("rows"), queue: tx.objectStore("queue"), state });
      meta.put(state, "state");
      await end;
      return out;
    } catch (e) {
      try { tx.abort(); } catch { /* it has ended already */ }
      await end.catch(() => {});
      throw tx.error || e;
    }
  }

  /** @returns {Promise<State>} */
  async state() {
    return await answer(this.db.transaction("meta").objectStore("meta").get("state")) || fresh();
  }

  // ---------------------------------------------------------------- pulling

  /** Makes the next pull begin at the start. What was not sent stays. */
  restart() {
    return this.change(({ state }) => { state.cursor = ""; });
  }

  /** Says in which language rows are wanted. Those in another begin anew. @param {string} locale */
  speak(locale) {
    return this.change(({ state }) => {
      if (state.locale && state.locale !== locale) state.cursor = "";
      state.locale = locale;
    });
  }

  /**
   * Keeps a page of a pull and the cursor behind it.
   * @param {Page} page @param {string} from the cursor with which it was asked for; a page for another is dropped
   */
  apply(page, from) {
    return this.change(async ({ rows, state }) => {
      if (state.cursor !== from) return;
      if (from === "") {
        state.pass++;
        state.replacing = true;
      }
      for (const c of page.changes) {
        const have = /** @type {Row|undefined} */ (state.replacing ? undefined : await answer(rows.get([c.kind, c.id])));
        if (have && c.version < have.version) continue;
        if (c.op === "delete") rows.delete([c.kind, c.id]);
        else rows.put({ kind: c.kind, id: c.id, version: c.version, doc: c.doc, pass: state.pass });
      }
      state.cursor = page.cursor;
      if (page.more) return;
      if (state.replacing) await sweep(rows, state.pass);
      state.replacing = false;
    });
  }

  /** Notes that everything was pulled and sent. @param {number} at ms */
  synced(at) {
    return this.change(({ state }) => { state.synced = at; });
  }

  /** Notes that the rows were held against the server's sums. @param {number} at ms @param {boolean} right if not, they are pulled anew */
  proved(at, right) {
    return this.change(({ state }) => {
      state.proved = at;
      if (!right) state.cursor = "";
    });
  }

  /** What is kept of which version, without what was done here. @returns {Promise<{kind: string, id: string, version: number}[]>} */
  versions() {
    return new Promise((yes, no) => {
      /** @type {{kind: string, id: string, version: number}[]} */
      const list = [], walk = this.db.transaction("rows").objectStore("rows").openCursor();
      walk.onerror = () => no(walk.error);
      walk.onsuccess = () => {
        if (!walk.result) { yes(list); return; }
        const { kind, id, version } = walk.result.value;
        list.push({ kind, id, version });
        walk.result.continue();
      };
    });
  }

  // ---------------------------------------------------------------- what was done here

  /**
   * Queues what the learner did. What was done to the same thing before and not sent yet becomes one with it.
   * @param {{kind: string, key: string, op: "upsert"|"delete", doc?: any}} act
   */
  act({ kind, key, op, doc }) {
    return this.change(async ({ rows, queue, state }) => {
      const row = /** @type {Row|undefined} */ (await answer(rows.get([kind, key])));
      const waiting = /** @type {Mutation[]} */ (await answer(queue.getAll()));
      const last = waiting.filter((m) => m.kind === kind && m.key === key).at(-1);
      if (last && !last.sent) {
        queue.put(coalesce(last, op, doc));
        return;
      }
      queue.put({ n: state.next++, kind, key, op, base: row?.version || 0, doc, sent: false });
    });
  }

  /** @returns {Promise<Mutation[]>} what waits, in order */
  waiting() {
    return answer(this.db.transaction("queue").objectStore("queue").getAll());
  }

  /** @returns {Promise<number>} */
  count() {
    return answer(this.db.transaction("queue").objectStore("queue").count());
  }

  /**
   * Takes what is to be sent next: of each thing one mutation at most, since the next one's base is only known from the answer. From now on they may have
   * reached the server, so they never change again.
   * @param {number} most @returns {Promise<{client: string, batch: Mutation[]}>}
   */
  take(most) {
    return this.change(async ({ queue, state }) => {
      const batch = [], seen = new Set();
      for (const m of /** @type {Mutation[]} */ (await answer(queue.getAll(null, most)))) {
        const name = m.kind + " " + m.key;
        if (seen.has(name)) break;
        seen.add(name);
        batch.push(m);
        if (!m.sent) queue.put({ ...m, sent: true });
      }
      return { client: state.client, batch };
    });
  }

  /**
   * Keeps the server's answer to mutations.
   * @param {string} client for which it answered @param {import("./queue.js").Result[]} results
   * @returns {Promise<Told[]>} what the learner should know
   */
  settle(client, results) {
    return this.change(async ({ rows, queue, state }) => {
      if (state.client !== client) return [];
      const told = [];
      for (const r of results) {
        const m = /** @type {Mutation|undefined} */ (await answer(queue.get(r.n)));
        if (!m) continue;
        queue.delete(r.n);
        const row = /** @type {Row|undefined} */ (await answer(rows.get([m.kind, m.key])));
        const now = result(m, row, r);
        if (now.row) rows.put({ pass: state.pass, ...now.row });
        else rows.delete([m.kind, m.key]);
        if (now.told) told.push(now.told);
        for (const later of /** @type {Mutation[]} */ (await answer(queue.getAll()))) {
          if (later.kind === m.kind && later.key === m.key && !later.sent) queue.put({ ...later, base: now.row?.version || 0 });
        }
      }
      return told;
    });
  }

  /** Becomes another client: the server knows more of this one than we do, or less (one of the two was restored). What waits is numbered from 1. */
  renumber() {
    return this.change(async ({ queue, state }) => {
      const waiting = /** @type {Mutation[]} */ (await answer(queue.getAll()));
      await answer(queue.clear());
      waiting.forEach((m, i) => queue.put({ ...m, n: i + 1, sent: false }));
      state.client = crypto.randomUUID();
      state.next = waiting.length + 1;
    });
  }

  // ---------------------------------------------------------------- reading

  /**
   * The rows of a kind, with what was done here.
   * @param {string} kind @param {string} [under] only those whose id begins with this and a slash
   * @returns {Promise<Row[]>} in order of id
   */
  async rows(kind, under) {
    const range = under === undefined ? IDBKeyRange.bound([kind], [kind, []]) : IDBKeyRange.bound([kind, under + "/"], [kind, under + "0"], false, true);
    const tx = this.db.transaction(["rows", "queue"]);
    const [rows, queue] = await Promise.all([answer(tx.objectStore("rows").getAll(range)), answer(tx.objectStore("queue").getAll())]);
    const mine = queue.filter((m) => m.kind === kind && (under === undefined || m.key.startsWith(under + "/")));
    return mine.length ? lay(rows, mine) : rows;
  }

  /** One row, with what was done here. @param {string} kind @param {string} id @returns {Promise<Row|undefined>} */
  async row(kind, id) {
    const tx = this.db.transaction(["rows", "queue"]);
    const [row, queue] = await Promise.all([answer(tx.objectStore("rows").get([kind, id])), answer(tx.objectStore("queue").getAll())]);
    return lay(row ? [row] : [], queue.filter((m) => m.kind === kind && m.key === id))[0];
  }

  /** How many rows of a kind there are. @param {string} kind @returns {Promise<number>} */
  size(kind) {
    return answer(this.db.transaction("rows").objectStore("rows").count(IDBKeyRange.bound([kind], [kind, []])));
  }
}

/** Deletes the rows that did not come again. @param {IDBObjectStore} rows @param {number} pass @returns {Promise<void>} */
function sweep(rows, pass) {
  return new Promise((yes, no) => {
    const walk = rows.openCursor();
    walk.onerror = () => no(walk.error);
    walk.onsuccess = () => {
      const at = walk.result;
      if (!at) { yes(); return; }
      if (at.value.pass !== pass) at.delete();
      at.continue();
    };
  });
}
