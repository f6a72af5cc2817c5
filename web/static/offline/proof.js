// @ts-check
// Proving that a copy is right: the server tells the count and the sum of its rows by kind, and the same is reckoned here. A copy that a fault of ours, or of
// the disk's, has changed is then pulled anew instead of staying wrong.

/** @typedef {{count: number, sum: bigint}} Sum */

const AT_ONCE = 500; // hashes under way at a time

/** The first eight bytes of a row's SHA-256, as a number. @param {string} text */
async function hash(text) {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new DataView(bytes).getBigUint64(0);
}

/** @param {Map<string, Sum>} sums @param {string} kind @param {number} count @param {bigint} sum */
function add(sums, kind, count, sum) {
  const before = sums.get(kind) || { count: 0, sum: 0n };
  sums.set(kind, { count: before.count + count, sum: BigInt.asUintN(64, before.sum + sum) });
}

/** The sums of rows, by kind. @param {{kind: string, id: string, version: number}[]} rows @returns {Promise<Map<string, Sum>>} */
export async function sumsOf(rows) {
  const sums = new Map();
  for (let i = 0; i < rows.length; i += AT_ONCE) {
    const part = rows.slice(i, i + AT_ONCE), hashes = await Promise.all(part.map((r) => hash(`${r.kind}\0${r.id}\0${r.version}`)));
    part.forEach((r, k) => add(sums, r.kind, 1, hashes[k]));
  }
  return sums;
}

/**
 * Whether sums are those that the server tells. It tells them by channel; which channel a row came by is not known here, and does not matter.
 * @param {Map<string, Sum>} ours @param {Record<string, Record<string, {count: number, sum: string}>>} digest
 */
export function proves(ours, digest) {
  /** @type {Map<string, Sum>} */
  const theirs = new Map();
  for (const kinds of Object.values(digest)) {
    for (const [kind, { count, sum }] of Object.entries(kinds)) add(theirs, kind, count, BigInt(sum));
  }
  const kinds = new Set([...ours.keys(), ...theirs.keys()]), none = { count: 0, sum: 0n };
  return [...kinds].every((kind) => {
    const [a, b] = [ours.get(kind) || none, theirs.get(kind) || none];
    return a.count === b.count && a.sum === b.sum;
  });
}
