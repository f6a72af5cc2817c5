// @ts-check
// Searching what is on the device. It is simpler than the server's search: a course is found when all words of the query are somewhere in it, accents and case
// aside; what stands in the title counts most. Nothing here touches the store or the page.

/** @typedef {import("./store.js").Row} Row */

export const DEEPEST = 16; // categories above each other; against a circle

/**
 * @typedef {object} Course a course with what belongs to it
 * @property {string} id
 * @property {any} doc
 * @property {number|null} rating
 * @property {number} count of ratings
 * @property {number} learners
 * @property {{id: string, label: string}[]} tags
 * @property {{id: string, label: string}[]} categories the course's own, and those above it
 * @property {{id: string, name: string}[]} people
 * @property {{text: string, weight: number}[]} fields folded, most telling first
 */

const LIGATURES = /** @type {Record<string, string>} */ ({ "ß": "ss", "œ": "oe", "æ": "ae", "ø": "o", "đ": "d", "ł": "l", "ı": "i", "’": "'" });
const MARKS = /\p{M}/gu, HAN = /\p{Script=Han}+/u, WORDS = /\p{Script=Han}+|[^\p{Z}\p{P}\p{S}\p{C}\p{Script=Han}]+(?:\+\+|#)?/gu;

/** Takes case and accents off. @param {string} text */
export const fold = (text) => text.normalize("NFKD").replace(MARKS, "").toLowerCase().replace(/[ßœæøđłı’]/g, (c) => LIGATURES[c]);

/** What a query asks for: its words; of Han, which has no spaces, every two signs that stand together. @param {string} query @returns {string[]} */
export function terms(query) {
  /** @type {string[]} */
  const list = [];
  for (const [word] of fold(query).matchAll(WORDS)) {
    const signs = [...word];
    if (!HAN.test(word) || signs.length < 3) list.push(word);
    else for (let i = 0; i + 1 < signs.length; i++) list.push(signs[i] + signs[i + 1]);
  }
  return [...new Set(list)];
}

/** @param {Row[]} rows */
const byID = (rows) => new Map(rows.map((r) => [r.id, r.doc]));

/** The categories from one up to its root. @param {string|null} id @param {Map<string, any>} all */
function lineage(id, all) {
  const line = [];
  for (let at = id; at && all.has(at) && line.length < DEEPEST; at = all.get(at).parent) line.push({ id: at, label: all.get(at).label });
  return line;
}

/**
 * Joins rows to courses that can be searched.
 * @param {{course: Row[], course_stats: Row[], tag: Row[], category: Row[], instructor: Row[]}} rows
 * @returns {Course[]}
 */
export function join(rows) {
  const stats = byID(rows.course_stats), tags = byID(rows.tag), categories = byID(rows.category), people = byID(rows.instructor);
  return rows.course.map(({ id, doc }) => {
    const number = stats.get(id), own = doc.tags.map((/** @type {string} */ x) => tags.get(x) || { id: x, label: x, synonyms: [] });
    /** @type {Course["fields"]|undefined} */
    let fields;
    const course = {
      id, doc, rating: number?.rating ?? null, count: number?.rating_count || 0, learners: number?.enrollment_count || 0,
      tags: own.map((/** @type {any} */ x) => ({ id: x.id, label: x.label })), categories: lineage(doc.category, categories),
      people: doc.instructors.map((/** @type {string} */ x) => ({ id: x, name: people.get(x)?.name || x })),
      /** @returns {Course["fields"]} */
      get fields() { // made when somebody searches: folding is most of the work of a large catalog, and browsing needs none
        return fields ||= fieldsOf(course, own.flatMap((/** @type {any} */ x) => [x.label, x.id, ...x.synonyms]));
      },
    };
    return course;
  });
}

/** The texts of a course by which it is found. @param {Course} c @param {string[]} tags labels, ids and synonyms @returns {Course["fields"]} */
const fieldsOf = (c, tags) => [
  { text: fold(c.doc.title), weight: 8 }, { text: fold([...tags, ...c.categories.map((x) => x.label)].join("\n")), weight: 4 },
  { text: fold([...c.people.map((x) => x.name), c.doc.provider || ""].join("\n")), weight: 3 },
  { text: fold(c.doc.summary), weight: 2 }, { text: fold(c.doc.description || ""), weight: 1 },
];

/** How well a course fits words; 0 when it lacks one. @param {Course} course @param {string[]} words */
export function score(course, words) {
  let sum = 0;
  for (const word of words) {
    const best = course.fields.find((f) => f.text.includes(word));
    if (!best) return 0;
    const at = best.text.indexOf(word), begins = at === 0 || !/[\p{L}\p{N}]/u.test(best.text[at - 1]); // the beginning of a word is worth more than its middle
    sum += best.weight * (begins ? 2 : 1);
  }
  return sum / words.length + (course.fields[0].text.startsWith(words.join(" ")) ? 8 : 0);
}

/** The filters: the parameter of each in an address, and the values that a course has. */
export const FACETS = /** @type {{param: string, values: (c: Course) => {id: string, label: string}[]}[]} */ ([
  { param: "category", values: (c) => c.categories },
  { param: "tag", values: (c) => c.tags },
  { param: "level", values: (c) => c.doc.level ? [{ id: c.doc.level, label: "" }] : [] },
  { param: "language", values: (c) => [{ id: c.doc.language, label: "" }] },
]);

/**
 * Searches. Of one filter any value will do, and all filters must be met; a filter's counts leave that filter itself aside, as the server's do.
 * @param {Course[]} all @param {string} query @param {URLSearchParams} filters
 */
export function find(all, query, filters) {
  const words = terms(query), chosen = FACETS.map((f) => new Set(filters.getAll(f.param).filter(Boolean)));
  /** @type {Map<string, {id: string, label: string, count: number, selected: boolean}>[]} */
  const counts = FACETS.map(() => new Map());
  const hits = [];
  for (const course of all) {
    if (course.doc.state !== "published") continue;
    const fit = words.length ? score(course, words) : 1;
    if (fit === 0) continue;
    const values = FACETS.map((f) => f.values(course));
    const missed = values.flatMap((list, i) => chosen[i].size === 0 || list.some((v) => chosen[i].has(v.id)) ? [] : [i]);
    if (missed.length === 0) hits.push({ course, fit });
    values.forEach((list, i) => {
      if (missed.some((m) => m !== i)) return;
      for (const v of list) {
        const one = counts[i].get(v.id) || { ...v, count: 0, selected: chosen[i].has(v.id) };
        one.count++;
        counts[i].set(v.id, one);
      }
    });
  }
  hits.sort((a, b) => b.fit - a.fit || (b.course.rating ?? 0) - (a.course.rating ?? 0) || (a.course.id < b.course.id ? -1 : 1));
  const facets = FACETS.map((f, i) => ({
    param: f.param, values: [...counts[i].values()].sort((a, b) => Number(b.selected) - Number(a.selected) || b.count - a.count || (a.id < b.id ? -1 : 1)),
  }));
  return { hits: hits.map((x) => x.course), facets };
}
