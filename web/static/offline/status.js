// @ts-check
// The line in every page's header that says how this device stands to the server.

import { icon } from "./dom.js";
import { moment, n, t } from "./words.js";

/** @param {import("./sync.js").Standing} s */
function text(s) {
  const waiting = s.waiting > 0 ? n("offline.waiting", s.waiting) : "";
  const join = (/** @type {string} */ word) => waiting ? t("offline.both", { State: word, Waiting: waiting }) : word;
  switch (s.phase) {
    case "offline": return join(t("offline.offline"));
    case "signed-out": return join(t("offline.signed_out"));
    case "full": return join(t("offline.full"));
    case "failed": return join(t("offline.failed"));
    case "busy": return waiting || t(s.synced ? "offline.synced" : "offline.saving");
  }
  return waiting || t(s.synced ? "offline.synced" : "offline.saving");
}

/** Shows how things stand. @param {import("./sync.js").Standing} s */
export function showStanding(s) {
  const line = document.getElementById("offline-state"), said = line?.querySelector("[role=status]"), time = line?.querySelector("time");
  if (!line || !said || !time) return;
  const words = text(s), calm = s.waiting === 0 && (s.phase === "idle" || s.phase === "busy");
  line.dataset.phase = s.phase;
  line.dataset.waiting = String(s.waiting);
  line.classList.toggle("calm", calm);
  if (said.textContent !== words) said.textContent = words; // what is unchanged is not told again
  time.textContent = calm && s.synced ? moment(s.synced) : "";
  if (s.synced) time.dateTime = new Date(s.synced).toISOString();
  line.querySelector("svg")?.replaceWith(icon(s.phase === "offline" ? "offline" : calm ? "kept" : s.waiting ? "waiting" : "offline"));
  line.hidden = false;
}

/** Shows that there is no network on a device that keeps nothing. @param {boolean} on */
export function showOffline(on) {
  const line = document.getElementById("offline-state");
  if (on) showStanding({ phase: "offline", waiting: 0, synced: 0 });
  else if (line) line.hidden = true;
}
