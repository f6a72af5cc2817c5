// Connects WatermelonDB with a Carrel server. See docs/offline-clients.md.

/**
 * @typedef {Record<string, { created: Record<string, unknown>[], updated: Record<string, unknown>[], deleted: string[] }>} Changes
 * @typedef {{ lastPulledAt?: number | null, schemaVersion: number, migration: unknown }} Pull
 * @typedef {{ changes: Changes, lastPulledAt: number }} Push
 * @typedef {{ get(key: string): Promise<any>, set(key: string, value: any): Promise<void> }} Storage
 * @typedef {{ localStorage: Storage, write<T>(work: () => Promise<T>): Promise<T>, unsafeResetDatabase(): Promise<void> }} Database
 * @typedef {{ database: any, url?: string, token?: string | (() => string | Promise<string>), tables?: string[], locale?: string, fields?: "card" | "full",
 *   onRejected?: (ids: Record<string, string[]>) => void, fetch?: typeof fetch }} Options
 */

const CURSOR = "carrel_cursor"; // key in the database's own storage
const ROWS = 2_000; // that a push brings at most
const TRIES = 3; // pushes that were too late, before the app hears of it

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
 * The id that a record has on every device, for `record._raw.id` when one is made: two devices that make the same then make one.
 * @param {string} course @param {string} [lesson] of progress: the lesson's id within the course
 */
export const recordId = (course, lesson) => (lesson === undefined ? course : `${course}/${lesson}`);

/**
 * Makes the arguments of WatermelonDB's synchronize(), and what belongs to it.
 * @param {Options} options database: the Database; url: the server's address, "" for the page's own; token: a bearer token, or a function that gives one; tables: those of
 *   the app's schema that the server fills, all when absent; onRejected: hears of rows that the server refuses, which stay as they are on the device.
 */
export function createSync({ database, url = "", token, tables, locale, fields, onRejected, fetch: send = (...args) => fetch(...args) }) {
  /** @type {Database} */
  const db = database;
  const address = `${url.replace(/\/+$/, "")}/v2/sync/watermelon`;

  /** @param {Record<string, unknown>} parameters @param {RequestInit} [init] */
  async function ask(parameters, init = {}) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries({ locale, ...parameters })) if (value !== undefined && value !== null) query.set(name, String(value));
    const headers = new Headers({ "Content-Type": "application/json" });
    const bearer = typeof token === "function" ? await token() : token;
    if (bearer) headers.set("Authorization", `Bearer ${bearer}`);
    const response = await send(`${address}?${query}`, { ...init, headers });
    if (!response.ok) throw new SyncError(response.status, await response.json().catch(() => ({})));
    return response.json();
  }

  /** @param {Pull} pull */
  async function pullChanges({ lastPulledAt, schemaVersion, migration }) {
    const cursor = lastPulledAt ? await db.localStorage.get(CURSOR) : undefined;
    const answer = await ask({
      last_pulled_at: lastPulledAt, schema_version: schemaVersion, migration: migration && JSON.stringify(migration), tables: tables?.join(","), cursor, fields,
    });
    // An app that ended in its first synchronization may hold rows and no number.
    return lastPulledAt ? answer : { ...answer, experimentalStrategy: "replacement" };
  }

  /** @param {Push} push */
  async function pushChanges({ changes, lastPulledAt }) {
    /** @type {Record<string, string[]>} */
    const rejected = {};
    for (const part of parts(changes)) {
      const { experimentalRejectedIds: ids } = await ask({ last_pulled_at: lastPulledAt }, { method: "POST", body: JSON.stringify(part) });
      for (const table of Object.keys(ids)) rejected[table] = [...(rejected[table] || []), ...ids[table]];
    }
    if (onRejected && Object.keys(rejected).length) onRejected(rejected);
    return { experimentalRejectedIds: rejected };
  }

  const handlers = {
    database, pullChanges, pushChanges, sendCreatedAsUpdated: true,
    /** @param {any} result */
    onDidPullChanges: (result) => db.localStorage.set(CURSOR, result.cursor),
  };

  /**
   * Synchronizes; when another device was faster, once more.
   * @param {(args: any) => Promise<void>} synchronize WatermelonDB's @param {object} [more] arguments for it
   */
  async function sync(synchronize, more = {}) {
    for (let tries = 1; ; tries++) {
      try {
        return await synchronize({ ...handlers, ...more });
      } catch (error) {
        if (!(error instanceof SyncError) || error.code !== "pull-first" || tries === TRIES) throw error;
      }
    }
  }

  /**
   * Pushes what is left, asks when something could not be pushed, and forgets everything: the device may be somebody else's next.
   * @param {(args: any) => Promise<void>} synchronize @param {(args: any) => Promise<boolean>} hasUnsyncedChanges both WatermelonDB's
   * @param {() => boolean | Promise<boolean>} confirm whether to lose what was not pushed
   * @returns {Promise<boolean>} whether it is done
   */
  async function signOut(synchronize, hasUnsyncedChanges, confirm) {
    await sync(synchronize).catch(() => {}); // offline: what is lost is asked below
    if ((await hasUnsyncedChanges({ database })) && !(await confirm())) return false;
    await db.write(() => db.unsafeResetDatabase());
    return true;
  }

  return { ...handlers, sync, signOut };
}

/**
 * Cuts changes into parts that the server takes: mostly there is one. Enrollments go first, since progress and reviews need them.
 * @param {Changes} changes
 */
function* parts(changes) {
  /** @type {Changes} */
  let part = {};
  let rows = 0;
  for (const list of /** @type {const} */ (["created", "updated", "deleted"])) {
    for (const table of Object.keys(changes).sort((a, b) => Number(b === "enrollments") - Number(a === "enrollments"))) {
      for (const row of changes[table][list]) {
        if (rows === ROWS) {
          yield part;
          part = {};
          rows = 0;
        }
        part[table] ||= { created: [], updated: [], deleted: [] };
        /** @type {unknown[]} */ (part[table][list]).push(row);
        rows++;
      }
    }
  }
  yield part;
}
