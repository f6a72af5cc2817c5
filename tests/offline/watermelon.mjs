// WatermelonDB itself, with its LokiJS adapter, against a server.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { ask, later, module, renew, token, url, world } from "./server.mjs";

const require = createRequire(import.meta.url);
const { Database, Model, appSchema, tableSchema } = require("@nozbe/watermelondb");
const { schemaMigrations, createTable, addColumns } = require("@nozbe/watermelondb/Schema/migrations");
const { synchronize, hasUnsyncedChanges } = require("@nozbe/watermelondb/sync");
const LokiJSAdapter = require("@nozbe/watermelondb/adapters/lokijs").default;
const { LokiMemoryAdapter } = require("lokijs");
const logger = require("@nozbe/watermelondb/utils/common/logger").default;
const { createSync, recordId } = await module("watermelon.js");
logger.silence();

const text = (name) => ({ name, type: "string", isOptional: true });
const number = (name) => ({ name, type: "number", isOptional: true });
const boolean = (name) => ({ name, type: "boolean", isOptional: true });
const columns = {
  courses: [text("title"), text("tags"), text("level"), number("version")],
  lessons: [text("course"), text("body"), number("version")],
  enrollments: [text("course"), text("state"), text("enrolled_at"), number("version")],
  bookmarks: [text("course"), text("at"), number("version")],
  progress: [text("course"), text("lesson"), number("position"), boolean("completed"), text("time_by_device"), number("version")],
  reviews: [text("course"), number("rating"), text("text"), text("instructors"), number("version")],
};

/** A device with a database of its own. */
function device(bearer, { tables = Object.keys(columns), version = 1, migrations = schemaMigrations({ migrations: [] }), storage = new LokiMemoryAdapter(), ...options } = {}) {
  const adapter = new LokiJSAdapter({
    dbName: "test", schema: appSchema({ version, tables: tables.map((name) => tableSchema({ name, columns: columns[name] })) }), migrations,
    useWebWorker: false, useIncrementalIndexedDB: true, extraLokiOptions: { adapter: storage, autosave: false },
  });
  const database = new Database({ adapter, modelClasses: tables.map((name) => class extends Model { static table = name; }) });
  const d = {
    database, bearer, rejected: [],
    all: (table) => database.get(table).query().fetch(),
    async rows(table) { return (await d.all(table)).map((record) => record._raw).sort((a, b) => (a.id < b.id ? -1 : 1)); },
    async ids(table) { return (await d.rows(table)).map((raw) => raw.id); },
    async only(table, id) { return (await d.rows(table)).filter((raw) => raw.course === id || raw.id === id); },
    make: (table, values, id) => database.write(() => database.get(table).create((record) => {
      if (id) record._raw.id = id;
      for (const [name, value] of Object.entries(values)) record._setRaw(name, value);
    })),
    change: (record, values) => database.write(() => record.update(() => { for (const [name, value] of Object.entries(values)) record._setRaw(name, value); })),
    remove: (record) => database.write(() => record.markAsDeleted()),
    save: () => new Promise((resolve, reject) => adapter._driver.loki.saveDatabase((error) => (error ? reject(error) : resolve()))),
  };
  d.carrel = createSync({ database, url, token: () => d.bearer, tables, locale: "en", onRejected: (ids) => d.rejected.push(ids), ...options });
  d.sync = (more) => d.carrel.sync(synchronize, more);
  return d;
}

test("first synchronization, increments, deletions", async () => {
  const w = await world("first");
  const d = device(await token(w.learner));
  await d.sync();
  const [course] = await d.only("courses", w.a);
  assert.equal(course.title, "First course");
  assert.equal(JSON.parse(course.tags).length, 2);
  assert.equal(course.level, null);
  assert.equal(course._status, "synced");
  assert.deepEqual(await d.only("courses", w.org), []);

  await w.put(w.a, { title: "First course, again" });
  await ask("DELETE", `/v2/courses/${w.b}`, w.editor);
  await ask("PUT", `/v2/me/enrollments/${w.a}`, d.bearer, { state: "active" });
  await d.sync();
  assert.equal((await d.only("courses", w.a))[0].title, "First course, again");
  assert.deepEqual(await d.only("courses", w.b), []);
  assert.equal((await d.only("lessons", w.a))[0].body, "<p>Hi</p>");
  await ask("DELETE", `/v2/me/enrollments/${w.a}`, d.bearer);
  await d.sync();
  assert.deepEqual(await d.only("lessons", w.a), []);
  assert.equal((await d.only("enrollments", w.a))[0].state, "withdrawn");
});

test("work without a network, and a row that is refused among good ones", async () => {
  const w = await world("offline");
  const d = device(await token(w.learner));
  await d.sync();
  await d.make("enrollments", { course: w.a, state: "active" });
  const progress = await d.make("progress", { course: w.a, lesson: "l1", position: 3, completed: false, time_by_device: '{"d1":60}' }, recordId(w.a, "l1"));
  const bad = await d.make("reviews", { course: w.a, rating: 9 });
  const gone = await d.make("bookmarks", { course: "no-such-course" });
  await d.make("bookmarks", { course: w.b });
  await d.sync();
  assert.deepEqual(d.rejected, [{ reviews: [bad.id], bookmarks: [gone.id] }]);
  assert.equal(await hasUnsyncedChanges({ database: d.database }), true);
  const server = await ask("GET", "/v2/me/progress", d.bearer);
  assert.equal(server.items[0].position, 3);
  await d.change(bad, { rating: 4 });
  await d.remove(gone);
  await d.change(progress, { position: 7 });
  await d.sync();
  assert.equal(await hasUnsyncedChanges({ database: d.database }), false);
  assert.equal((await ask("GET", "/v2/me/reviews", d.bearer)).items[0].rating, 4);
  await d.sync();
  const [row] = await d.only("progress", w.a);
  assert.equal(row.id, `${w.a}/l1`);
  assert.equal(row.position, 7);
  assert.ok(row.version > 0);
});

test("two devices: one bookmark, merged progress, a conflict", async () => {
  const w = await world("two");
  const bearer = await token(w.learner);
  const [one, two] = [device(bearer), device(bearer)];
  await one.sync();
  await two.sync();
  const first = await one.make("bookmarks", { course: w.a });
  const second = await two.make("bookmarks", { course: w.a });
  await one.make("enrollments", { course: w.a, state: "active" });
  await one.sync();
  await two.sync();
  await two.sync();
  assert.deepEqual(await two.ids("bookmarks"), [first.id]);
  await one.sync();
  assert.deepEqual(await one.ids("bookmarks"), [first.id]);

  await one.make("progress", { course: w.a, lesson: "l1", position: 5, completed: false, time_by_device: '{"one":10}' });
  await two.make("progress", { course: w.a, lesson: "l1", position: 2, completed: true, time_by_device: '{"two":20}' });
  for (const d of [one, two, one, two, one]) await d.sync();
  for (const d of [one, two]) {
    const rows = await d.only("progress", w.a);
    assert.equal(rows.length, 1);
    assert.equal(rows[0].position, 5);
    assert.equal(rows[0].completed, true);
    assert.deepEqual(JSON.parse(rows[0].time_by_device), { one: 10, two: 20 });
  }

  const enrollment = async (d) => (await d.all("enrollments"))[0];
  await one.change(await enrollment(one), { state: "completed" });
  await two.change(await enrollment(two), { state: "withdrawn" });
  // The first gets in between the second's pull and push, once: the server refuses the push, and the module synchronizes again.
  let meanwhile = () => one.sync();
  await two.sync({ onWillApplyRemoteChanges: async () => { const work = meanwhile; meanwhile = async () => {}; await work(); } });
  await one.sync();
  assert.equal((await one.only("enrollments", w.a))[0].state, "withdrawn");
  assert.equal((await two.only("enrollments", w.a))[0].state, "withdrawn");

  await two.remove((await two.all("bookmarks"))[0]);
  await ask("PUT", `/v2/me/bookmarks/${w.a}`, bearer);
  await two.sync();
  await one.sync();
  assert.deepEqual(await one.ids("bookmarks"), await two.ids("bookmarks"));
});

test("a change of organization", async () => {
  const w = await world("org");
  const d = device(await token(w.learner));
  await d.sync();
  await later();
  d.bearer = await token(w.learner, { org: "acme" });
  await d.sync();
  assert.equal((await d.only("courses", w.org)).length, 1);
  await later();
  d.bearer = await token(w.learner);
  await d.sync();
  assert.deepEqual(await d.only("courses", w.org), []);
  assert.equal((await d.only("courses", w.a)).length, 1);
});

test("a number that is expired, another locale", async () => {
  const w = await world("expired");
  const d = device(await token(w.learner));
  await d.sync();
  await d.make("bookmarks", { course: w.a });
  await ask("DELETE", `/v2/courses/${w.b}`, w.editor);
  await renew();
  const strategies = [];
  const seen = { onDidPullChanges: (result) => { strategies.push(result.experimentalStrategy); return d.carrel.onDidPullChanges(result); } };
  await d.sync(seen);
  assert.deepEqual(await d.only("courses", w.b), []);
  assert.equal((await d.only("courses", w.a)).length, 1);
  await d.sync(seen);
  assert.equal((await d.only("bookmarks", w.a))[0]._status, "synced");
  assert.deepEqual(strategies, ["replacement", undefined]);

  await w.put(w.a, { title: "First course", translations: { fr: { title: "Premier cours" } } });
  await d.sync();
  const french = createSync({ database: d.database, url, token: d.bearer, tables: Object.keys(columns), locale: "fr" });
  await french.sync(synchronize);
  assert.equal((await d.only("courses", w.a))[0].title, "Premier cours");
});

test("a migration", async () => {
  const w = await world("migration");
  const bearer = await token(w.learner);
  await ask("PUT", `/v2/me/bookmarks/${w.a}`, bearer);
  const storage = new LokiMemoryAdapter();
  const old = device(bearer, { tables: ["courses"], storage });
  await old.sync({ migrationsEnabledAtVersion: 1 });
  await old.save();
  const migrations = schemaMigrations({
    migrations: [{ toVersion: 2, steps: [createTable({ name: "bookmarks", columns: columns.bookmarks }), addColumns({ table: "courses", columns: [text("summary")] })] }],
  });
  // The cursor is of the old list of tables; without it the migration alone says what is new.
  const d = device(bearer, { tables: ["courses", "bookmarks"], version: 2, migrations, storage });
  await d.database.localStorage.remove("carrel_cursor");
  await d.sync({ migrationsEnabledAtVersion: 1 });
  assert.deepEqual((await d.rows("bookmarks")).map((raw) => raw.course), [w.a]);
});

test("signing out", async () => {
  const w = await world("out");
  const d = device(await token(w.learner));
  await d.sync();
  await d.make("bookmarks", { course: w.a });
  await d.make("bookmarks", { course: "no-such-course" });
  assert.equal(await d.carrel.signOut(synchronize, hasUnsyncedChanges, () => false), false);
  assert.ok((await d.ids("courses")).length > 0);
  assert.equal(await d.carrel.signOut(synchronize, hasUnsyncedChanges, () => true), true);
  assert.deepEqual(await d.ids("courses"), []);
  assert.equal((await ask("GET", "/v2/me/bookmarks", await token(w.learner))).items.length, 1);
});

test("more rows than a push takes", async () => {
  const w = await world("many");
  const d = device(await token(w.learner));
  await d.sync();
  await d.database.write(() => d.database.batch(Array.from({ length: 2_100 }, (_, i) => d.database.get("bookmarks").prepareCreate((record) => record._setRaw("course", i ? w.a : w.b)))));
  await d.sync();
  await d.sync();
  assert.deepEqual((await d.rows("bookmarks")).map((raw) => raw.course).sort(), [w.a, w.b]);
  assert.equal(await hasUnsyncedChanges({ database: d.database }), false);
});
