// @ts-check
// What this browser remembers of itself: who used the pages last, and whose catalog it keeps. It is small and needed before anything is drawn, so it
// stands in localStorage; rows and changes are in IndexedDB (store.js).

const KEY = "carrel-offline";

/**
 * @typedef {object} Device
 * @property {string} id names this device among a learner's devices
 * @property {string} who the learner who used the pages last; "" is nobody
 * @property {string} name what to call that learner
 * @property {Record<string, boolean>} keep for whom this device keeps the catalog; "" is for whoever is not signed in
 */

/** @returns {Device} */
export function device() {
  /** @type {Partial<Device>} */
  let kept = {};
  try {
    kept = JSON.parse(localStorage.getItem(KEY) || "{}");
  } catch { /* unreadable, or no storage: a device that remembers nothing */ }
  return { id: kept.id || "", who: kept.who || "", name: kept.name || "", keep: kept.keep || {} };
}

/** Changes what is remembered. @param {(d: Device) => void} change */
function update(change) {
  const d = device();
  change(d);
  try {
    localStorage.setItem(KEY, JSON.stringify(d));
  } catch { /* no storage: nothing is kept then */ }
}

/** Whether this browser can keep anything at all: service workers are for secure addresses only. */
export const able = () => "serviceWorker" in navigator && "indexedDB" in window && "locks" in navigator && isSecureContext;

/** Whether this device keeps the catalog for a learner. @param {string} who */
export const keeps = (who) => device().keep[who] === true;

/** Whether it keeps it for anybody. */
export const keepsAny = () => Object.values(device().keep).some(Boolean);

/** Remembers who is at the pages. @param {string} who @param {string} name */
export function meet(who, name) {
  const d = device();
  if (d.who !== who || d.name !== name) update((now) => { now.who = who; now.name = name; });
}

/** Remembers to keep the catalog for a learner, or not. @param {string} who @param {boolean} on */
export function setKeep(who, on) {
  update((d) => {
    if (on) d.keep[who] = true;
    else delete d.keep[who];
    d.id ||= crypto.randomUUID();
  });
}

/** Forgets a learner. @param {string} who */
export function forget(who) {
  update((d) => {
    delete d.keep[who];
    if (d.who === who) d.who = d.name = "";
  });
}
