// @ts-check
// Courses from the store, with all that belongs to them.

import { DEEPEST, join } from "./find.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./store.js").Row} Row */
/** @typedef {import("./find.js").Course} Course */

/** All courses. @param {Store} store @returns {Promise<Course[]>} */
export async function courses(store) {
  const kinds = ["course", "course_stats", "tag", "category", "instructor"];
  const rows = await Promise.all(kinds.map((kind) => store.rows(kind)));
  return join(/** @type {any} */ (Object.fromEntries(kinds.map((kind, i) => [kind, rows[i]]))));
}

/** One course; undefined when it is not here. A page of one does not read the rows of all. @param {Store} store @param {string} id @returns {Promise<Course|undefined>} */
export async function oneCourse(store, id) {
  const row = await store.row("course", id);
  if (!row) return undefined;
  const some = async (/** @type {string} */ kind, /** @type {string[]} */ ids) => /** @type {Row[]} */ ((await Promise.all(ids.map((x) => store.row(kind, x)))).filter(Boolean));
  const [course_stats, tag, instructor] = await Promise.all([some("course_stats", [id]), some("tag", row.doc.tags), some("instructor", row.doc.instructors)]);
  const category = [];
  for (let at = row.doc.category; at && category.length < DEEPEST;) {
    const [above] = await some("category", [at]);
    if (!above) break;
    category.push(above);
    at = above.doc.parent;
  }
  return join({ course: [row], course_stats, tag, category, instructor })[0];
}
