// @ts-check
// Keeps a store and the server in step: what was done here is sent, then what is new is pulled. Many tabs may be open, and one at a time does it.

import { proves, sumsOf } from "./proof.js";

/**
 * @typedef {import("./store.js").Store} Store
 * @typedef {import("./queue.js").Told} Told
 * @typedef {"idle"|"busy"|"offline"|"signed-out"|"full"|"failed"} Phase
 * @typedef {{phase: Phase, waiting: number, synced: number}} Standing how a store stands to the server
 */

const PAGE = 500; // changes of a pull: what a phone takes in well below a second
const BATCH = 100; // mutations of a push
const POLL = 120_000; // ms between looks at the server while a page is visible
const SOON = 400; // ms after a deed until it is sent, so that what comes in a row goes together
const PATIENCE = 30_000; // ms that one request may take
const SHORTEST = 2_000, LONGEST = 300_000; // ms of waiting after the server failed: doubled each time
const UNREACHED = 30_000; // ms of waiting at most while nothing answers: that costs the server nothing, and not every browser tells of a network
const PROOF = 86_400_000; // ms between proofs that the rows are right: each reads all of them
const STARTS = 3; // how often one run begins anew before it gives up

/** The channel on which the tabs of one learner tell each other of changes. @param {string} who */
export const channelOf = (who) => new BroadcastChannel("carrel:" + who);

/** An answer that is no success. */
class Refusal extends Error {
  /** @param {number} status @param {any} problem @param {number} wait seconds that the server asks for */
  constructor(status, problem, wait) {
    super(problem?.title || "HTTP " + status);
    this.status = status;
    this.code = problem?.code || "";
    this.wait = wait;
  }
}

export class Syncer {
  /**
   * @param {Store} store @param {string} locale of the rows
   * @param {{show: (s: Standing) => void, tell: (list: Told[]) => void, changed?: () => void, erased?: () => void}} on changed: rows or queue are others now; erased: the account is gone
   */
  constructor(store, locale, on) {
    this.store = store;
    this.locale = locale;
    this.on = on;
    this.failures = 0;
    this.timer = 0;
    this.running = false;
    this.again = false;
    this.stopped = false;
    this.phase = /** @type {Phase} */ (navigator.onLine ? "busy" : "offline");
    this.channel = channelOf(store.who);
    this.asOf = "";
  }

  /** Begins to follow the server. */
  start() {
    addEventListener("online", () => { this.failures = 0; this.soon(0); });
    addEventListener("offline", () => this.enter("offline"));
    document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") this.soon(0); });
    this.channel.onmessage = ({ data }) => {
      if (data === "wiped") { // in another tab: the store is going away
        this.stop();
        this.store.close();
        return;
      }
      this.show();
      if (data === "changed") this.on.changed?.();
    };
    this.show();
    this.soon(0);
  }

  /** Ends it: the store is going away. */
  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.channel.close();
  }

  /** Syncs shortly. @param {number} [wait] ms */
  soon(wait = SOON) {
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), wait);
  }

  /** Tells the other tabs of this learner. @param {string} what */
  spread(what) { if (!this.stopped) this.channel.postMessage(what); }

  /** Tells this page and the others that something was done. */
  async did() {
    this.changed();
    await this.show();
    this.soon();
  }

  /** Rows or queue are others than before. */
  changed() {
    this.spread("changed");
    this.on.changed?.();
  }

  /** @param {Phase} phase */
  async enter(phase) {
    this.phase = phase;
    await this.show();
  }

  async show() {
    if (this.stopped) return;
    try {
      const [waiting, state] = await Promise.all([this.store.count(), this.store.state()]);
      if (!this.stopped) this.on.show({ phase: this.phase, waiting, synced: state.synced });
    } catch (e) {
      if (!this.stopped) throw e; // else the store went away meanwhile
    }
  }

  /** Sends and pulls all that there is, once. Whoever calls it meanwhile waits for another round. */
  async now() {
    if (this.running || this.stopped) { this.again = true; return; }
    this.running = true;
    try {
      do {
        this.again = false;
        await navigator.locks.request("carrel-sync:" + this.store.who, () => this.run());
      } while (this.again && !this.stopped);
    } finally {
      this.running = false;
    }
  }

  async run() {
    if (this.stopped) return;
    if (this.phase !== "offline") await this.enter("busy");
    try {
      await this.store.speak(this.locale);
      await this.push();
      await this.pull();
      if (!await this.proven()) await this.pull();
      await this.store.synced(Date.now());
      this.failures = 0;
      await this.enter(navigator.onLine ? "idle" : "offline"); // the network may have gone at the last moment
      this.plan(POLL);
    } catch (e) {
      if (this.stopped) return;
      await this.fail(e);
    }
    this.spread("ended");
  }

  /** Looks again later; a page that nobody sees waits until it is seen. @param {number} wait ms */
  plan(wait) {
    if (document.visibilityState === "visible") this.soon(wait);
  }

  /** @param {any} e */
  async fail(e) {
    const backoff = Math.min(LONGEST, SHORTEST * 2 ** this.failures++) * (0.5 + Math.random() / 2); // apart, so that a crowd does not come back at once
    if (e?.name === "QuotaExceededError") { await this.enter("full"); return; }
    if (!(e instanceof Refusal)) {
      await this.enter(e instanceof TypeError || e?.name === "TimeoutError" ? "offline" : "failed"); // fetch says TypeError when nothing answers
      this.plan(Math.min(backoff, UNREACHED));
      return;
    }
    if (e.code === "account-erased") { this.on.erased?.(); return; }
    if (e.status === 401 || e.status === 403) { await this.enter("signed-out"); return; }
    await this.enter("failed");
    this.plan(Math.max(backoff, e.wait * 1000));
  }

  /** Sends what waits. */
  async push() {
    this.asOf = "";
    for (let anew = 0; this.store.who !== "" && !this.stopped;) {
      const { client, batch } = await this.store.take(BATCH);
      if (batch.length === 0) return;
      const body = { client, subject: this.store.who, mutations: batch.map(({ n, kind, key, op, base, doc }) => ({ n, kind, key, op, ...(base ? { base } : {}), ...(doc ? { doc } : {}) })) };
      try {
        const answer = await this.ask("/v2/sync", { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
        const told = await this.store.settle(client, answer.results);
        this.asOf = answer.as_of;
        this.changed();
        if (told.length) this.on.tell(told);
      } catch (e) {
        if (!(e instanceof Refusal) || !["mutation-gap", "client-reused"].includes(e.code) || ++anew > STARTS) throw e;
        await this.store.renumber();
      }
    }
  }

  /** Pulls what is new. */
  async pull() {
    for (let anew = 0, more = true; more && !this.stopped;) {
      const { cursor } = await this.store.state();
      const q = this.query(cursor);
      q.set("limit", String(PAGE));
      if (this.store.who !== "") q.set("subject", this.store.who); // so that nobody else's rows come, should someone else have signed in meanwhile
      if (this.asOf) q.set("after", this.asOf);
      try {
        const page = await this.ask("/v2/sync?" + q, {});
        await this.store.apply(page, cursor);
        more = page.more;
        if (page.changes.length || cursor === "") this.changed();
      } catch (e) {
        if (!(e instanceof Refusal) || !["cursor-expired", "invalid-cursor"].includes(e.code) || ++anew > STARTS) throw e;
        await this.store.restart();
      }
    }
  }

  /** Whether the rows are the server's. They are looked at once a day; false makes the next pull begin at the start. */
  async proven() {
    const { proved, cursor } = await this.store.state(), now = Date.now();
    if (now - proved < PROOF || this.stopped) return true;
    try {
      const digest = await this.ask("/v2/sync/digest?" + this.query(cursor), {});
      const right = proves(await sumsOf(await this.store.versions()), digest);
      await this.store.proved(now, right);
      return right;
    } catch (e) {
      if (e instanceof Refusal) return true; // something new came meanwhile: another time
      throw e;
    }
  }

  /** What is asked for. @param {string} cursor */
  query(cursor) {
    const q = new URLSearchParams({ channels: this.store.who === "" ? "catalog" : "catalog,org,me,courses", fields: "full", locale: this.locale });
    if (cursor) q.set("cursor", cursor);
    return q;
  }

  /** Asks the server, and throws what is no success. @param {string} url @param {RequestInit} init @returns {Promise<any>} */
  async ask(url, init) {
    const credentials = this.store.who === "" ? "omit" : "same-origin"; // the public catalog is pulled as anybody
    const answer = await fetch(url, { ...init, credentials, signal: AbortSignal.timeout(PATIENCE) });
    const type = answer.headers.get("Content-Type") || "";
    const body = type.includes("json") ? await answer.json() : null;
    if (!answer.ok) throw new Refusal(answer.status, body, Number(answer.headers.get("Retry-After")) || 0);
    if (!body) throw new TypeError("something between us and the server answered"); // a hotel's sign-in page, say
    return body;
  }
}
