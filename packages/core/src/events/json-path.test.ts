import fc from "fast-check";
import { expect, test } from "vitest";
import { parseSingularPath, type SingularPath, valueAt } from "./json-path.ts";

test.each<[string, SingularPath]>([
  ["$", []],
  ["$.detail.customer.id", ["detail", "customer", "id"]],
  ["$['detail'][\"customer\"].id", ["detail", "customer", "id"]],
  ["$.detail.ids[0]", ["detail", "ids", 0]],
  ["$.detail.ids[-1]", ["detail", "ids", -1]],
  ["$.größe._x9", ["größe", "_x9"]],
  ["$.🔑", ["🔑"]],
  ["$['a.b']['it\\'s']['say \"hi\"']", ["a.b", "it's", 'say "hi"']],
  ['$["it\'s"]["say \\"hi\\""]["\\u00e4\\n\\/"]', ["it's", 'say "hi"', "ä\n/"]],
  ["$['\\uD83D\\uDD11']", ["🔑"]],
  ["$['']", [""]],
  ["$ .a\n['b']", ["a", "b"]],
])("%s names one place", (text, path) => {
  expect(parseSingularPath(text)).toEqual(path);
});

test.each([
  "",
  "detail.id",
  "@.id",
  "$detail",
  "$.",
  "$..id",
  "$.*",
  "$[*]",
  "$[0,1]",
  "$[0:2]",
  "$[?@.id]",
  "$[?(@.price < 10)]",
  "$.length()",
  "$.9a",
  "$.a-b",
  "$. a",
  "$[ 'a' ]",
  "$[01]",
  "$[-0]",
  "$[1.5]",
  "$[9999999999999999]",
  "$[a]",
  "$['a]",
  "$['a\"]",
  "$['a\\x']",
  "$['tab\t']",
  '$["\\\'"]',
  "$['\\\"']",
  "$['\\uD83D']",
  "$.a\ud800",
  "$.a ",
  " $.a",
  "$.a[",
  `$.${"a".repeat(255)}`,
  `$${".a".repeat(34)}`,
])("%j is refused", (text) => {
  expect(parseSingularPath(text)).toBeUndefined();
});

const EVENT = { id: "e", detail: { ids: ["x", "y"], none: null, nested: { "a b": 0, "": "empty" }, length: 9 } };

test.each<[string, unknown]>([
  ["$", EVENT],
  ["$.id", "e"],
  ["$.detail.ids[1]", "y"],
  ["$.detail.ids[-2]", "x"],
  ["$.detail.ids[2]", undefined],
  ["$.detail.ids[-3]", undefined],
  ["$.detail.ids.length", undefined],
  ["$.detail.ids['0']", undefined],
  ["$.detail[0]", undefined],
  ["$.detail.none", null],
  ["$.detail.none.more", undefined],
  ["$.detail.nested['a b']", 0],
  ["$.detail.nested['']", "empty"],
  ["$.detail.length", 9],
  ["$.id.length", undefined],
  ["$.id[0]", undefined],
  ["$.detail.toString", undefined],
  ["$.constructor.name", undefined],
  ["$.__proto__", undefined],
])("%s reads %j", (text, value) => {
  expect(valueAt(parseSingularPath(text) as SingularPath, EVENT)).toEqual(value);
});

/** The normalized form of RFC 9535, which every place of a value has exactly once. */
function normalized(path: SingularPath): string {
  const segments = path.map((segment) =>
    typeof segment === "number"
      ? `[${segment}]`
      : `['${JSON.stringify(segment).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}']`,
  );
  return `$${segments.join("")}`;
}

const segment = fc.oneof(fc.nat(1000), fc.string({ unit: "grapheme", maxLength: 6 }));

test("every path of a value, written in brackets, is read back as itself and finds what is there", () => {
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 8 }), fc.jsonValue(), (path, value) => {
      const text = normalized(path);
      fc.pre(text.length <= 256);
      expect(parseSingularPath(text)).toEqual(path);
      const root = path.reduceRight<unknown>(
        (inner, step) =>
          typeof step === "number" ? [...Array(step).fill(0), inner] : Object.fromEntries([[step, inner]]),
        value,
      );
      expect(valueAt(path, root)).toEqual(value);
    }),
  );
});

test("any text whatever is a path or is refused, and any path reads any value without failing", () => {
  const texts = fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^\$[.[\]'"\\a-z0-9*?@:,-]{0,40}$/));
  fc.assert(
    fc.property(texts, fc.jsonValue(), (text, value) => {
      const path = parseSingularPath(text);
      if (path !== undefined) valueAt(path, value);
    }),
    { numRuns: 2000 },
  );
});
