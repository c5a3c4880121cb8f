import { describe, expect, test } from "vitest";
import { desiredTenantKey } from "../desired-state.ts";
import { parseAttemptId, parseKeyArn, parseRegion } from "../ids.ts";
import type { ObservedKey } from "../observed-state.ts";
import type { KeyTarget } from "../plan.ts";
import type { ObservedReplica } from "../plan-replicas.ts";
import { ACME, DEFAULT_KEY, exampleContext, exampleProfile } from "../test-support.ts";
import type { RuleId } from "./finding-rules.ts";
import { planReplicaRepair } from "./plan-repair-replica.ts";
import { permissionsOf, type RepairAsker } from "./repair.ts";

const REGION = parseRegion("eu-central-1");
const KEY_ARN = parseKeyArn("arn:aws:kms:eu-central-1:111122223333:key/mrk-1");
const DESIRED = desiredTenantKey(
  { ...exampleContext(), region: REGION },
  ACME,
  DEFAULT_KEY,
  exampleProfile({ replicaRegions: [REGION] }),
);
const OPEN = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: "*", Action: "kms:*", Resource: "*" }],
};

const replica = (change: Partial<ObservedKey> | undefined = {}, aliased = true): ObservedReplica => ({
  region: REGION,
  keyArn: KEY_ARN,
  key: {
    keyArn: KEY_ARN,
    state: "Enabled",
    tags: DESIRED.keyTags(parseAttemptId("attempt-1")),
    policy: DESIRED.admittedPolicy,
    origin: "AWS_KMS",
    rotation: { enabled: true, periodDays: 365 },
    ...change,
  },
  aliased,
});
const MISSING: ObservedReplica = { ...replica(), key: undefined, aliased: false };
/** A primary that is the tenant's, and no grants. */
const AROUND = { primary: { tags: DESIRED.keyOwnership }, letsInByGrant: false };
const repair = (
  observed: ObservedReplica,
  rules: readonly RuleId[],
  target: KeyTarget = "usable",
  askedBy: RepairAsker = "person",
) => planReplicaRepair(DESIRED, observed, target, permissionsOf(rules, askedBy), AROUND);

describe("the repair of a replica", () => {
  test("makes one that is missing, with its name and its tenant, where that is asked for", () => {
    const whole = ["replicate", "create-alias", "admit-tenant"];
    expect(repair(MISSING, ["replica-missing"], "usable", "automatic")).toEqual({ actions: whole, withheld: [] });
    expect(repair(MISSING, ["replica-differs", "alias-missing"])).toEqual({ actions: [], withheld: whole });
  });

  test("goes on with one that was made and never admitted, and lets nobody into another by that", () => {
    const made = replica({ policy: DESIRED.creationPolicy }, false);
    expect(repair(made, ["replica-missing"], "usable", "automatic").actions).toEqual(["create-alias", "admit-tenant"]);
    const changed = replica({ policy: OPEN });
    expect(repair(changed, ["replica-missing"])).toEqual({ actions: [], withheld: ["admit-tenant"] });
    expect(repair(changed, ["replica-differs"]).actions).toEqual(["admit-tenant"]);
  });

  test("of itself takes strangers out and lets nobody in again", () => {
    const { Statement } = DESIRED.admittedPolicy;
    const and = replica({ policy: { ...DESIRED.admittedPolicy, Statement: [...Statement, ...OPEN.Statement] } });
    const rules: RuleId[] = ["key-policy-not-contained"];
    expect(repair(and, rules, "usable", "automatic").actions).toEqual(["admit-tenant"]);
    expect(repair(replica({ policy: OPEN }), rules, "usable", "automatic").actions).toEqual([]);
  });

  test("puts the policy before it enables, and enables none that lets in a stranger", () => {
    const disabled = replica({ state: "Disabled", policy: OPEN });
    expect(repair(disabled, ["replica-differs"]).actions).toEqual(["admit-tenant", "enable-key"]);
    expect(repair(disabled, ["key-disabled"])).toEqual({ actions: [], withheld: ["enable-key", "admit-tenant"] });
  });

  test("of another tenant's key, to which a changed record leads, opens and makes none, and protects it", () => {
    const tags = { ...DESIRED.keyOwnership, "tenantkeys:tenant": "globex" };
    const rules: RuleId[] = ["replica-differs", "replica-missing"];
    const theirs = replica({ tags, state: "Disabled", policy: DESIRED.creationPolicy }, false);
    expect(repair(theirs, rules)).toEqual({ actions: [], withheld: ["enable-key", "create-alias", "admit-tenant"] });
    const around = { primary: { tags }, letsInByGrant: false };
    expect(planReplicaRepair(DESIRED, MISSING, "usable", permissionsOf(rules, "person"), around).actions).toEqual([]);
    expect(repair(replica({ tags, state: "PendingDeletion" }), rules).actions).toEqual(["cancel-deletion"]);
  });

  test("enables none that a stranger may use by a grant", () => {
    const disabled = replica({ state: "Disabled" });
    const permissions = permissionsOf(["replica-differs"], "person");
    expect(planReplicaRepair(DESIRED, disabled, "usable", permissions, AROUND).actions).toEqual(["enable-key"]);
    expect(planReplicaRepair(DESIRED, disabled, "usable", permissions, { ...AROUND, letsInByGrant: true })).toEqual({
      actions: [],
      withheld: ["enable-key"],
    });
  });

  test("cancels a deletion only where that is asked for, and looks again", () => {
    const dying = replica({ state: "PendingDeletion" });
    expect(repair(dying, ["key-pending-deletion-unintended"]).actions).toEqual(["cancel-deletion"]);
    expect(repair(dying, ["key-disabled"])).toEqual({ actions: [], withheld: ["cancel-deletion"] });
  });

  test("shuts one that is open while its tenant leaves, and deletes it by the rule for that only", () => {
    const shut = repair(replica(), ["key-open"], "deleted", "automatic");
    expect(shut.actions.toSorted()).toEqual(["disable-key", "shut-out-tenant"]);
    expect(shut.withheld).toEqual(["schedule-deletion"]);
    expect(repair(replica(), ["key-deletion-overdue"], "deleted").withheld).toEqual([]);
  });
});
