import { expect, test } from "vitest";
import {
  ADMINISTER_ACTIONS,
  AUDIT_ACTIONS,
  CRYPTOGRAPHIC_ACTIONS,
  DISCARD_ACTIONS,
  RECOVER_ACTIONS,
  USE_ACTIONS,
} from "./key-actions.ts";

/** Actions that change a key, who may use it, or whether it lives: all that begin so in the KMS permissions reference. */
const CHANGES =
  /^kms:(Cancel|Connect|Create|Delete|Disable|Disconnect|Enable|Import|Put|Replicate|Retire|Revoke|Rotate|Schedule|Synchronize|Tag|Untag|Update)/;

const SETS = { ADMINISTER_ACTIONS, AUDIT_ACTIONS, DISCARD_ACTIONS, RECOVER_ACTIONS, USE_ACTIONS };

const common = (a: readonly string[], b: readonly string[]) => a.filter((action) => b.includes(action));

test("who uses a key shares with who administers, discards, audits or recovers it nothing but reading its description", () => {
  expect(common(USE_ACTIONS, [...ADMINISTER_ACTIONS, ...DISCARD_ACTIONS])).toEqual(["kms:DescribeKey"]);
  expect(common(USE_ACTIONS, AUDIT_ACTIONS)).toEqual(["kms:DescribeKey"]);
  expect(common(USE_ACTIONS, RECOVER_ACTIONS)).toEqual(["kms:DescribeKey"]);
});

test.each([
  ["administer", ADMINISTER_ACTIONS],
  ["discard", DISCARD_ACTIONS],
  ["audit", AUDIT_ACTIONS],
  ["recover", RECOVER_ACTIONS],
])("no cryptographic action is in %s", (_, actions) => {
  expect(common(actions, CRYPTOGRAPHIC_ACTIONS)).toEqual([]);
});

test("using a key changes nothing about it, and auditing neither changes nor uses it", () => {
  expect(USE_ACTIONS.filter((action) => CHANGES.test(action))).toEqual([]);
  expect(AUDIT_ACTIONS.filter((action) => CHANGES.test(action))).toEqual([]);
  expect(AUDIT_ACTIONS.every((action) => /^kms:(Describe|Get|List)/.test(action))).toBe(true);
});

test("every action of use but the description is a cryptographic one, and none of them makes a grant", () => {
  const cryptographic: readonly string[] = CRYPTOGRAPHIC_ACTIONS;
  expect(USE_ACTIONS.filter((action) => !cryptographic.includes(action))).toEqual(["kms:DescribeKey"]);
  expect(USE_ACTIONS).not.toContain("kms:CreateGrant");
});

test("only discard deletes, and administration doesn't", () => {
  const deletes = (actions: readonly string[]) => actions.filter((action) => /Delet/.test(action));
  expect(deletes(DISCARD_ACTIONS)).toEqual(["kms:ScheduleKeyDeletion"]);
  expect(deletes([...ADMINISTER_ACTIONS, ...USE_ACTIONS, ...AUDIT_ACTIONS])).toEqual([]);
  expect(deletes(RECOVER_ACTIONS)).toEqual(["kms:CancelKeyDeletion"]);
});

test.each(Object.entries(SETS))("%s names single KMS actions, each once, in order", (_, actions) => {
  for (const action of actions) expect(action).toMatch(/^kms:[A-Z][A-Za-z]+$/);
  expect([...actions]).toEqual([...new Set(actions)].sort());
});
