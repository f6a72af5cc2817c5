// @ts-check
// What a page does on a device that keeps the catalog: it syncs, says how things stand, keeps what cannot be sent, and wipes when the learner leaves.

import { perform } from "./acts.js";
import { ask } from "./ask.js";
import { forget, keepsAny, meet, setKeep } from "./device.js";
import { say } from "./dom.js";
import { watchReading } from "./reading.js";
import { showStanding } from "./status.js";
import { deleteStore, openStore } from "./store.js";
import { channelOf, Syncer } from "./sync.js";
import { lang, n, t } from "./words.js";

const LAST_CHANCE = 5_000; // ms that leaving waits for what was not sent
const SAID = "carrel-said"; // in sessionStorage: the id of a text that the next page says

/** @type {Syncer|null} */
let syncer = null;

/**
 * Begins to keep a learner's store in step.
 * @param {string} who
 * @param {{phase?: import("./sync.js").Phase, changed?: () => void, show?: (s: import("./sync.js").Standing) => void}} [how]
 *   changed is called when rows or deeds are others than before, show when the standing is; phase is what is known of it at first
 * @returns {Promise<Syncer>}
 */
export async function begin(who, { phase, changed, show } = {}) {
  const store = await openStore(who);
  const erased = async () => { await wipe(who); location.href = "/"; };
  const mine = new Syncer(store, lang, { show: (s) => { showStanding(s); show?.(s); }, tell: (list) => tell(store, list), changed, erased });
  syncer = mine;
  if (phase) mine.phase = phase;
  mine.start();
  addEventListener("carrel:sent", () => mine.soon());
  addEventListener("carrel:unsent", (e) => unsent(mine, /** @type {CustomEvent} */ (e)));
  document.addEventListener("submit", (e) => leave(mine, e), { capture: true });
  const [, courses, course, lessons, lesson] = location.pathname.split("/").map(decodeURIComponent);
  if (who !== "" && courses === "courses" && lessons === "lessons" && lesson && document.querySelector(".lesson-body")) {
    await watchReading(store, course, lesson, (left) => left ? mine.did() : mine.show()); // what is being read goes with the next look at the server
  }
  return mine;
}

/** The syncer of this page. */
export const current = () => syncer;

/** Says once what the page before did. */
export function saidBefore() {
  const id = sessionStorage.getItem(SAID);
  sessionStorage.removeItem(SAID);
  if (id) sayDone(id);
}

/** Says what was done on this device. @param {string} id of its text */
export const sayDone = (id) => say(t(id) + " " + t("offline.saved_here"));

/**
 * A form of the server's page that could not be sent: it is carried out here, and the page that it leads to comes from this device.
 * @param {Syncer} mine @param {CustomEvent} e
 */
async function unsent(mine, e) {
  const { action, body } = e.detail;
  if (mine.stopped || mine.store.who === "" || !/^\/courses\//.test(new URL(action).pathname)) return;
  e.preventDefault(); // it is taken
  const id = await perform(mine.store, action, body);
  if (!id) return;
  await mine.did();
  sessionStorage.setItem(SAID, id);
  location.href = body.get("return") || location.pathname;
}

/**
 * Tells the learner of deeds that the server did not carry out.
 * @param {import("./store.js").Store} store @param {import("./queue.js").Told[]} list
 */
async function tell(store, list) {
  const lines = [];
  for (const { kind, key, why, title } of list) {
    const course = (await store.row("course", key.split("/")[0]))?.doc.title || key;
    lines.push(why === "conflict" ? t("offline.conflict", { Course: course }) : t("offline.rejected", { What: t("offline.what_" + kind), Course: course, Why: title }));
  }
  say(lines.join(" "), false);
}

/** Leaving: what was not sent is sent, or lost knowingly; then nothing of the learner stays. @param {Syncer} mine @param {SubmitEvent} e */
async function leave(mine, e) {
  const form = /** @type {HTMLFormElement} */ (e.target), action = form.getAttribute("action");
  if (mine.stopped || mine.store.who === "" || action !== "/sign-out" && action !== "/me/delete") return;
  e.preventDefault();
  e.stopPropagation();
  if (!navigator.onLine) { say(t("offline.sign_out_needs"), false); return; }
  if (action === "/sign-out" && !await mayLose(mine, "leave")) return;
  await wipe(mine.store.who);
  form.submit();
}

/**
 * Whether what waits may be lost: when nothing does, or the learner says so.
 * @param {Syncer} mine @param {"leave"|"remove"} doing
 */
async function mayLose(mine, doing) {
  if (await mine.store.count() > 0 && navigator.onLine) {
    await Promise.race([mine.now(), new Promise((late) => { setTimeout(late, LAST_CHANCE); })]);
  }
  const waiting = await mine.store.count();
  return waiting === 0 || ask({
    title: t("offline.lose_title"), text: n("offline.lose_text", waiting), yes: t(`offline.lose_${doing}`), no: t("offline.lose_not"),
  });
}

/** Removes all that this device keeps for a learner. @param {string} who */
export async function wipe(who) {
  if (syncer?.store.who === who) {
    syncer.stop();
    syncer.store.close();
    syncer = null;
  }
  const others = channelOf(who);
  others.postMessage("wiped");
  others.close();
  forget(who);
  await deleteStore(who);
  if (keepsAny()) return;
  for (const name of await caches.keys()) {
    if (name.startsWith("carrel-")) await caches.delete(name);
  }
  await (await navigator.serviceWorker.getRegistration("/"))?.unregister();
}

/** Starts keeping, at the learner's wish. @param {string} who */
export async function keep(who) {
  setKeep(who, true);
  meet(who, document.body.dataset.name || "");
  try {
    await navigator.serviceWorker.register("/sw.js");
    await (await caches.open("carrel-state")).put("/offline", new Response(lang));
    await begin(who);
  } catch (e) {
    forget(who);
    throw e;
  }
  navigator.storage?.persist?.().catch(() => {}); // else a browser short of room may take it back; some ask, and are not waited for
}

/** Stops keeping, at the learner's wish; false when the learner thought better of it. @param {string} who */
export async function unkeep(who) {
  if (syncer && !await mayLose(syncer, "remove")) return false;
  await wipe(who);
  return true;
}
