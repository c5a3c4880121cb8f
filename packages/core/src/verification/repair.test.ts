import { describe, expect, test } from "vitest";
import { parseStageSettings } from "../stage-settings.ts";
import { SETTINGS_INPUT } from "../test-support.ts";
import { FINDING_RULES, RULE_IDS, type RuleId } from "./finding-rules.ts";
import {
  isConfirmed,
  isRepairedByItself,
  keysToCount,
  permissionsOf,
  REPAIR_ACTIONS,
  REPAIRABLE_RULES,
  repairBudget,
} from "./repair.ts";

const WIDENS = ["enable-key", "create-role", "update-trust-policy", "tag-role", "move-alias", "cancel-deletion"];
const DELETES = ["schedule-deletion", "delete-role", "discard-spare-key"];

describe("the rules of a repair", () => {
  test("permit something exactly where the worker may put the finding right", () => {
    const byWorker = RULE_IDS.filter((ruleId) => ["automatic", "person"].includes(FINDING_RULES[ruleId].repairer));
    expect([...REPAIRABLE_RULES].sort()).toEqual([...byWorker].sort());
  });

  test("that need no person neither delete anything nor let anybody in", () => {
    const automatic = RULE_IDS.filter((ruleId) => FINDING_RULES[ruleId].repairer === "automatic");
    const actions = automatic.flatMap((ruleId) => REPAIR_ACTIONS[ruleId]);
    expect(actions.filter((kind) => [...WIDENS, ...DELETES].includes(kind))).toEqual([]);
    expect(automatic.filter(isConfirmed)).toEqual([]);
  });

  test("never make a key, and never discard one", () => {
    const actions = RULE_IDS.flatMap((ruleId) => REPAIR_ACTIONS[ruleId]);
    expect(actions.filter((kind) => kind === "create-key" || kind === "discard-spare-key")).toEqual([]);
  });

  test("that need a person are confirmed", () => {
    expect(isConfirmed("key-disabled")).toBe(true);
    expect(isConfirmed("key-deletion-overdue")).toBe(true);
    expect(isConfirmed("orphan-key")).toBe(true);
    expect(isConfirmed("rotation-off")).toBe(false);
  });
});

describe("what a repair permits", () => {
  const kinds = (...rules: RuleId[]) => [...permissionsOf(rules, "person").actions].sort();

  test("is what its rules need, and nothing for none", () => {
    expect(kinds()).toEqual([]);
    expect(kinds("rotation-off")).toEqual(["enable-rotation"]);
    expect(kinds("key-pending-deletion-unintended", "alias-missing")).toEqual([
      "cancel-deletion",
      "create-alias",
      "enable-key",
    ]);
  });

  test("is done to replicas alone where the rule is about them", () => {
    expect(kinds("replica-differs", "replica-missing")).toEqual([]);
    expect(permissionsOf(["replica-missing"], "person").replicaActions).toContain("replicate");
    expect(permissionsOf(["key-open"], "person").replicaActions).toContain("disable-key");
  });

  test("tells grants of strangers from those that outlived their use", () => {
    expect(permissionsOf(["grant-stale"], "automatic").grants).toEqual({ foreign: false, stale: true });
  });
});

test.each<[RuleId, boolean, boolean, boolean]>([
  ["rotation-off", true, false, true],
  ["rotation-off", false, true, false],
  ["key-disabled", true, true, false],
  ["key-deletion-overdue", true, true, false],
  ["key-pending-deletion-unintended", true, false, false],
  ["key-pending-deletion-unintended", false, true, true],
  ["orphan-key", true, true, false],
])("%s, automatic repair %s and cancelling %s: repaired without a person: %s", (ruleId, repair, cancel, expected) => {
  const settings = { automaticRepair: repair, cancelUnintendedDeletions: cancel };
  expect(isRepairedByItself(ruleId, settings)).toBe(expected);
});

describe("the limit of a repair", () => {
  const settings = { repairKeysMax: 10, repairSharePercent: 5 };

  test.each([
    [0, 1],
    [1, 1],
    [39, 1],
    [40, 2],
    [200, 10],
    [100_000, 10],
  ])("of a stage with %i keys is %i", (keys, expected) => {
    expect(repairBudget(keys, settings)).toBe(expected);
  });

  test("is the stage's setting, and doesn't grow once that many keys were counted", () => {
    const stage = parseStageSettings({ ...SETTINGS_INPUT, repairKeysMax: 7, repairSharePercent: 3 });
    expect(keysToCount(stage)).toBe(234);
    expect(repairBudget(keysToCount(stage), stage)).toBe(7);
    expect(repairBudget(keysToCount(stage) - 1, stage)).toBe(6);
    expect(repairBudget(1_000_000, stage)).toBe(7);
  });
});
