import { describe, expect, test } from "vitest";
import { parseKeyName, parseTenantId } from "../ids.ts";
import { DEFAULT_KEY } from "../test-support.ts";
import { finding, findingId, type StoredFinding } from "./finding.ts";
import type { RuleId } from "./finding-rules.ts";
import {
  automaticRepairs,
  NO_REPAIRS,
  REPAIR_WINDOW_MS,
  REQUEST_AGAIN_AFTER_MS,
  REQUESTS_PER_KEY_MAX,
  spendRepairs,
  type WantedRepair,
} from "./repair-ledger.ts";

const ON = { automaticRepair: true, cancelUnintendedDeletions: true };

function open(ruleId: RuleId, tenant: string | undefined, changes: Partial<StoredFinding> = {}): StoredFinding {
  const tenantId = tenant === undefined ? undefined : parseTenantId(tenant);
  const about = { tenantId, keyName: tenant === undefined ? undefined : DEFAULT_KEY, resource: "r" };
  const found = finding(ruleId, { ...about, expected: "", seen: "" });
  return { ...found, findingId: findingId(found), firstSeenAtMs: 1, lastSeenAtMs: 2, ...changes };
}

const wanted = (...tenants: string[]): WantedRepair[] =>
  tenants.map((tenant) => ({ tenantId: parseTenantId(tenant), keyName: DEFAULT_KEY, rules: ["rotation-off"] }));
const tenantsOf = (repairs: readonly WantedRepair[]) => repairs.map(({ tenantId }) => tenantId);

describe("what the stage puts right by itself", () => {
  test("is what its settings say, one request per key, the severest first", () => {
    const findings = [
      open("rotation-off", "acme"),
      open("alias-missing", "acme"),
      open("key-disabled", "acme"),
      open("key-policy-not-contained", "globex"),
      open("grant-stale", "initech", { closedAtMs: 3 }),
      open("sweep-overdue", undefined),
    ];
    expect(automaticRepairs(findings, ON)).toEqual([
      { tenantId: "globex", keyName: "default", rules: ["key-policy-not-contained"] },
      { tenantId: "acme", keyName: "default", rules: ["rotation-off", "alias-missing"] },
    ]);
  });

  test("is the end of unintended deletions alone where only that is on, and nothing where nothing is", () => {
    const findings = [open("rotation-off", "acme"), open("key-pending-deletion-unintended", "globex")];
    const only = { automaticRepair: false, cancelUnintendedDeletions: true };
    expect(tenantsOf(automaticRepairs(findings, only))).toEqual(["globex"]);
    expect(automaticRepairs(findings, { automaticRepair: false, cancelUnintendedDeletions: false })).toEqual([]);
  });
});

describe("the limit of what is repaired by itself", () => {
  test("counts keys over a day, whichever run asked", () => {
    const first = spendRepairs(NO_REPAIRS, wanted("a", "b"), 2, 0);
    expect(tenantsOf(first.ask)).toEqual(["a", "b"]);
    const second = spendRepairs(first.ledger, wanted("c"), 2, REPAIR_WINDOW_MS - 1);
    expect([second.ask, tenantsOf(second.beyond)]).toEqual([[], ["c"]]);
    const later = spendRepairs(second.ledger, wanted("c"), 2, REPAIR_WINDOW_MS);
    expect(tenantsOf(later.ask)).toEqual(["c"]);
    expect(later.ledger.keys).toHaveLength(1);
  });

  test("counts a key once that is asked for again, a while later and not too often", () => {
    let { ledger } = spendRepairs(NO_REPAIRS, wanted("a"), 1, 0);
    const soon = spendRepairs(ledger, wanted("a"), 1, REQUEST_AGAIN_AFTER_MS - 1);
    expect([soon.ask, tenantsOf(soon.waiting)]).toEqual([[], ["a"]]);
    for (let request = 1; request < REQUESTS_PER_KEY_MAX; request++) {
      const again = spendRepairs(ledger, wanted("a"), 1, request * REQUEST_AGAIN_AFTER_MS);
      expect(tenantsOf(again.ask)).toEqual(["a"]);
      ledger = again.ledger;
    }
    const tooOften = spendRepairs(ledger, wanted("a"), 1, REPAIR_WINDOW_MS - 1);
    expect([tooOften.ask, tenantsOf(tooOften.waiting)]).toEqual([[], ["a"]]);
  });

  test("tells keys of one tenant apart", () => {
    const payroll = { ...(wanted("a")[0] as WantedRepair), keyName: parseKeyName("payroll") };
    const spent = spendRepairs(NO_REPAIRS, [...wanted("a"), payroll], 1, 0);
    expect([spent.ask.length, spent.beyond]).toEqual([1, [payroll]]);
  });
});
