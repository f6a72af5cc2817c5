// @ts-check
// The page's words and ways of writing numbers, in its language. The texts come with the page, from the same files as the server's own.

/** @type {Record<string, string | {one: string, other: string}>} */
const texts = JSON.parse(document.getElementById("words")?.textContent || "{}");

export const lang = document.documentElement.lang || "en";
const plurals = new Intl.PluralRules(lang);

/** @param {string} text @param {Record<string, string|number>} data */
const fill = (text, data) => text.replace(/\{(\w+)\}/g, (whole, name) => name in data ? String(data[name]) : whole);

/** A text. @param {string} id @param {Record<string, string|number>} [data] */
export function t(id, data = {}) {
  const text = texts[id];
  return typeof text === "string" ? fill(text, data) : id;
}

/** A text with a count. @param {string} id @param {number} count @param {Record<string, string|number>} [data] */
export function n(id, count, data = {}) {
  const text = texts[id];
  if (typeof text !== "object") return id;
  return fill(plurals.select(count) === "one" ? text.one : text.other, { Count: num(count), ...data });
}

/** @param {number} value @param {number} [decimals] */
export const num = (value, decimals = 0) => value.toLocaleString(lang, { minimumFractionDigits: decimals, maximumFractionDigits: decimals });

/** A size. @param {number} bytes */
export function size(bytes) {
  const unit = bytes < 1e6 ? "kilobyte" : bytes < 1e9 ? "megabyte" : "gigabyte";
  const value = bytes / { kilobyte: 1e3, megabyte: 1e6, gigabyte: 1e9 }[unit];
  return value.toLocaleString(lang, { style: "unit", unit, maximumFractionDigits: value < 10 ? 1 : 0 });
}

/** A time of today, else a day with its time. @param {number} at ms */
export function moment(at) {
  const date = new Date(at), today = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(lang, today ? { hour: "numeric", minute: "2-digit" } : { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" });
}

/** A day. @param {string|number} at */
export const day = (at) => new Date(at).toLocaleDateString(lang, { dateStyle: "long", timeZone: "UTC" });
