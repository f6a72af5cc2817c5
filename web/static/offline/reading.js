// @ts-check
// How far and how long a lesson is read. Position is the part of the lesson that was on the screen, 0 to 1; time is the seconds during which the page was
// visible, for each device on its own, so that the server adds devices up and counts no second twice.

import { progress } from "./acts.js";
import { device } from "./device.js";

const TICK = 1000; // ms
const NOTED = 20; // seconds after which what was read is noted, should the page never be told that it is left
const IDLE = 120; // seconds without a sign of life after which nobody reads

/**
 * Watches a lesson being read, if the learner takes the course.
 * @param {import("./store.js").Store} store @param {string} course @param {string} lesson @param {(left: boolean) => void} noted is called when something was noted; left: the learner turned away
 */
export async function watchReading(store, course, lesson, noted) {
  const body = document.querySelector(".lesson-body"), me = device().id;
  const enrollment = await store.row("enrollment", course);
  if (!body || !me || !enrollment || enrollment.doc.state === "withdrawn") return;
  const before = (await store.row("progress", course + "/" + lesson))?.doc;
  const already = before?.time_by_device?.[me] || 0;
  let seconds = 0, kept = 0, still = 0, position = before?.position || 0, keptPosition = position;

  const look = () => {
    const box = body.getBoundingClientRect();
    if (box.height <= 0) return;
    const part = Math.min(1, Math.max(0, (innerHeight - box.top) / box.height));
    position = Math.max(position, Math.round(part * 100) / 100);
  };
  const note = async (/** @type {boolean} */ left) => {
    if (seconds - kept < 1 && position <= keptPosition) return;
    [kept, keptPosition] = [seconds, position];
    try {
      await progress(store, course, lesson, { position, time_by_device: { [me]: already + seconds } });
    } catch { // the store is gone: the learner keeps nothing here any more
      clearInterval(ticking);
      return;
    }
    noted(left);
  };
  for (const sign of ["scroll", "pointermove", "keydown"]) addEventListener(sign, () => { still = 0; }, { passive: true });
  const ticking = setInterval(() => {
    if (document.visibilityState !== "visible" || still++ > IDLE) return;
    seconds += TICK / 1000;
    look();
    if (seconds - kept >= NOTED) note(false);
  }, TICK);
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") note(true); });
  addEventListener("pagehide", () => note(true));
}
