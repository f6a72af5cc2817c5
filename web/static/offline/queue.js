// @ts-check
// What a learner did on this device: how it lies over the server's rows, how two deeds become one, and what the server's answer makes of it. Nothing here
// touches the store or the network.

/**
 * @typedef {import("./store.js").Row} Row
 * @typedef {object} Mutation
 * @property {number} n counts this client's mutations from 1, without gaps
 * @property {string} kind
 * @property {string} key
 * @property {"upsert"|"delete"} op
 * @property {number} base the version on which it was done; 0 is that there was nothing
 * @property {any} [doc]
 * @property {boolean} sent it may have reached the server, and so never changes
 *
 * @typedef {{n: number, status: string, outcome?: string, version?: number, current?: import("./store.js").Change, problem?: {title: string}}} Result
 * @typedef {{kind: string, key: string, why: "conflict"|"rejected", title: string}} Told something that the learner should know
 */

/** Progress is the only thing that adds up, wherever it was made. @param {any} a @param {any} b */
export function mergeProgress(a, b) {
  /** @type {Record<string, number>} */
  const times = { ...a?.time_by_device };
  for (const [name, seconds] of Object.entries(b?.time_by_device || {})) times[name] = Math.max(times[name] || 0, Number(seconds));
  return {
    position: Math.max(a?.position || 0, b?.position || 0), completed: Boolean(a?.completed || b?.completed), time_by_device: times,
  };
}

/**
 * Makes one mutation of one that was not sent and what was done after it. The number and the base stay those of the first.
 * @param {Mutation} m @param {"upsert"|"delete"} op @param {any} doc @returns {Mutation}
 */
export function coalesce(m, op, doc) {
  if (m.kind === "progress") return { ...m, doc: mergeProgress(m.doc, doc) };
  return { ...m, op, doc };
}

/** The document that a mutation leaves. @param {Mutation} m @param {any} before of the row that it is about */
function after(m, before) {
  const [course, lesson] = m.key.split("/");
  if (m.kind === "progress") return { id: m.key, course, lesson, ...mergeProgress(before, m.doc) };
  return { ...before, ...m.doc, id: m.key, course };
}

/** Lays what was done over rows. @param {Row[]} rows in order of id @param {Mutation[]} queue in order @returns {Row[]} in order of id */
export function lay(rows, queue) {
  const all = new Map(rows.map((r) => [r.id, r]));
  for (const m of queue) {
    const row = all.get(m.key);
    if (m.op === "delete") all.delete(m.key);
    else all.set(m.key, { kind: m.kind, id: m.key, version: row?.version || 0, doc: after(m, row?.doc) });
  }
  return [...all.values()].sort((a, b) => a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** Whether the server's row is what the learner wanted, whoever made it so. @param {Mutation} m @param {import("./store.js").Change|undefined} now */
function asWanted(m, now) {
  const gone = !now || now.op === "delete";
  if (m.op === "delete" || gone) return m.op === "delete" && gone;
  if (m.kind === "review") return now.doc.rating === m.doc.rating && now.doc.text === m.doc.text;
  return m.kind !== "enrollment" || now.doc.state === m.doc.state;
}

/**
 * What the server's answer makes of the row, and what the learner should know.
 * @param {Mutation} m @param {Row|undefined} row @param {Result} r
 * @returns {{row?: Row, told?: Told}} without a row there is none any more
 */
export function result(m, row, r) {
  const status = r.status === "duplicate" ? r.outcome : r.status;
  if (r.current) {
    const c = r.current;
    const now = c.op === "delete" ? undefined : { kind: c.kind, id: c.id, version: c.version, doc: c.doc };
    const lost = status === "conflict" && !asWanted(m, c);
    return { row: now, told: lost ? { kind: m.kind, key: m.key, why: "conflict", title: "" } : undefined };
  }
  if (status === "rejected") return { row, told: { kind: m.kind, key: m.key, why: "rejected", title: r.problem?.title || "" } };
  if (status === undefined) return { row }; // too long ago for the server to know: the next pull brings what became of it
  if (m.op === "delete") return {};
  return { row: { kind: m.kind, id: m.key, version: r.version || row?.version || 0, doc: after(m, row?.doc) } };
}
