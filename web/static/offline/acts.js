// @ts-check
// What learners do without a network. It is said by the same forms as with one, so that a page's form needs no second meaning: their addresses are those of
// the server's actions (routes.go).

/** @typedef {import("./store.js").Store} Store */

/**
 * Does what a form says, on this device.
 * @param {Store} store @param {string} action the form's address @param {URLSearchParams} fields
 * @returns {Promise<string>} the id of the text that says what was done; "" when the form is none that can be carried out here
 */
export async function perform(store, action, fields) {
  const [, courses, course, verb, lesson, done] = new URL(action, location.href).pathname.split("/").map(decodeURIComponent);
  if (store.who === "" || courses !== "courses" || !course) return "";
  switch (verb) {
    case "enroll":
      await store.act({ kind: "enrollment", key: course, op: "upsert", doc: { state: "active" } });
      return "done.enrolled";
    case "withdraw":
      await store.act({ kind: "enrollment", key: course, op: "delete" });
      return "done.withdrawn";
    case "bookmark": {
      const on = fields.get("on") === "true";
      await store.act({ kind: "bookmark", key: course, op: on ? "upsert" : "delete", doc: on ? {} : undefined });
      return on ? "done.bookmarked" : "done.unbookmarked";
    }
    case "review":
      return review(store, course, fields);
    case "lessons":
      return done === "done" && lesson ? finish(store, course, lesson) : "";
  }
  return "";
}

/** @param {Store} store @param {string} course @param {URLSearchParams} fields */
async function review(store, course, fields) {
  if (fields.get("remove")) {
    await store.act({ kind: "review", key: course, op: "delete" });
    return "done.unreviewed";
  }
  /** @type {Record<string, number>} */
  const instructors = {};
  for (const [name, value] of fields) {
    if (name.startsWith("instructor:") && value) instructors[name.slice("instructor:".length)] = Number(value);
  }
  const text = (fields.get("text") || "").replaceAll("\r\n", "\n").trim();
  await store.act({ kind: "review", key: course, op: "upsert", doc: { rating: Number(fields.get("rating")), instructors, text } });
  return "offline.reviewed";
}

/** Marks a lesson as done; with the last one the course is completed. @param {Store} store @param {string} course @param {string} lesson */
async function finish(store, course, lesson) {
  await progress(store, course, lesson, { completed: true });
  const [lessons, doneOf] = await Promise.all([store.rows("lesson", course), doneIn(store, course)]);
  if (lessons.length === 0 || lessons.some((l) => !doneOf.has(l.id))) return "done.lesson";
  await store.act({ kind: "enrollment", key: course, op: "upsert", doc: { state: "completed" } });
  return "done.completed";
}

/** Which lessons of a course are done. @param {Store} store @param {string} course */
export async function doneIn(store, course) {
  return new Set((await store.rows("progress", course)).filter((r) => r.doc.completed).map((r) => r.id));
}

/**
 * Notes how far a lesson is read. It is sent with all that is known of the lesson, so that the server has nothing to add to it.
 * @param {Store} store @param {string} course @param {string} lesson
 * @param {{position?: number, completed?: boolean, time_by_device?: Record<string, number>}} more
 */
export async function progress(store, course, lesson, more) {
  const key = course + "/" + lesson, before = (await store.row("progress", key))?.doc;
  const { position = 0, completed = false, time_by_device = {} } = before || {};
  await store.act({
    kind: "progress", key, op: "upsert",
    doc: {
      position: Math.max(position, more.position || 0), completed: completed || Boolean(more.completed),
      time_by_device: { ...time_by_device, ...more.time_by_device },
    },
  });
}
