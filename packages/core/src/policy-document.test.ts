import fc from "fast-check";
import { expect, test } from "vitest";
import { admittedKeyPolicy } from "./key-policy.ts";
import { tenantRoleArn } from "./names.ts";
import { canonicalJson, samePolicy } from "./policy-document.ts";
import { ACCOUNT_ID, ACME, exampleContext, exampleProfile } from "./test-support.ts";

const CONTEXT = exampleContext({
  administratorRoleArns: [1, 2, 3].map((n) => `arn:aws:iam::111122223333:role/admin${n}`),
});
const OURS = admittedKeyPolicy(CONTEXT, ACME, exampleProfile(), tenantRoleArn(ACCOUNT_ID, CONTEXT.stage, ACME));

test("a list of one and its element are the same document", () => {
  expect(samePolicy({ Action: ["kms:Decrypt"] }, { Action: "kms:Decrypt" })).toBe(true);
  expect(samePolicy({ Statement: [{ Effect: "Allow" }] }, { Statement: { Effect: "Allow" } })).toBe(true);
  expect(samePolicy({ Action: ["kms:Decrypt"] }, { Action: "kms:Encrypt" })).toBe(false);
});

test("the order of lists and of fields doesn't matter", () => {
  expect(samePolicy({ a: ["x", "y"], b: 1 }, { b: 1, a: ["y", "x"] })).toBe(true);
  expect(samePolicy({ a: ["x", "y"] }, { a: ["x", "z"] })).toBe(false);
  expect(samePolicy({ a: ["x", "y"] }, { a: ["x"] })).toBe(false);
});

test("a field without a value is the same as no field", () => {
  expect(samePolicy({ a: 1, b: undefined }, { a: 1 })).toBe(true);
});

test("nothing is the same as a document that isn't there", () => {
  expect(samePolicy(undefined, undefined)).toBe(false);
  expect(samePolicy(undefined, OURS)).toBe(false);
  expect(samePolicy(OURS, undefined)).toBe(false);
});

test("a list and the text of its elements differ", () => {
  expect(samePolicy({ a: ["x", "y"] }, { a: ['"x"', '"y"'] })).toBe(false);
  expect(samePolicy({ a: ["x", "y"] }, { a: '["x","y"]' })).toBe(false);
  expect(samePolicy({ a: [["x", "y"], "z"] }, { a: ["x", "y", "z"] })).toBe(false);
});

const leaves = fc.oneof(fc.string({ maxLength: 6 }), fc.boolean(), fc.integer({ min: 0, max: 9 }));
const documents = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    leaves,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.stringMatching(/^[A-Za-z:]{1,6}$/), tie("value"), { maxKeys: 4 }),
  ),
})).value;

/** The same document in another spelling: lists and fields turned round, every single value as a list of one. */
function respell(value: unknown, turn: (items: unknown[]) => unknown[]): unknown {
  if (Array.isArray(value)) return turn(value.map((item) => respell(item, turn)));
  if (typeof value !== "object" || value === null) return [value];
  const fields = Object.entries(value).map(([key, item]) => [key, respell(item, turn)] as const);
  return Object.fromEntries(turn(fields as unknown[]) as [string, unknown][]);
}

test("canonicalJson stays the same under every permutation of lists and fields, and with lists of one", () => {
  fc.assert(
    fc.property(documents, fc.infiniteStream(fc.nat()), (document, numbers) => {
      const turn = (items: unknown[]) => {
        const weighed = items.map((item) => [Number(numbers.next().value), item] as const);
        return weighed.sort(([a], [b]) => a - b).map(([, item]) => item);
      };
      expect(canonicalJson(respell(document, turn))).toBe(canonicalJson(document));
    }),
  );
});

/** Every document that differs from `value` in exactly one string. */
function* withOneStringChanged(value: unknown): Generator<unknown> {
  if (typeof value === "string") yield `${value}x`;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries())
      for (const changed of withOneStringChanged(item)) yield value.with(index, changed);
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value))
      for (const changed of withOneStringChanged(item)) yield { ...value, [key]: changed };
  }
}

test("one changed string anywhere in a key policy makes it another document", () => {
  const changed = [...withOneStringChanged(OURS)];
  expect(changed.length).toBeGreaterThan(40);
  for (const document of changed) expect(samePolicy(document, OURS)).toBe(false);
});

test("a statement that is taken away or added makes it another document", () => {
  for (const index of OURS.Statement.keys()) {
    expect(samePolicy({ ...OURS, Statement: OURS.Statement.toSpliced(index, 1) }, OURS)).toBe(false);
  }
  expect(samePolicy({ ...OURS, Statement: [...OURS.Statement, { Effect: "Deny" }] }, OURS)).toBe(false);
});
