/** Replicas that hide, are left over or were touched by somebody else; what a KMS really does is tried on the local AWS. */
import {
  completeKeyProfile,
  desiredTenantKey,
  type KeyArn,
  type KeyState,
  type KeyTarget,
  parseAttemptId,
  parseKeyArn,
  parseRegion,
  type Region,
  replicaArn,
} from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import type { ProvisionPorts } from "./ports.ts";
import { reachReplicas } from "./replicas.ts";
import { ACME, awsError, type Call, CONTEXT, DEFAULT_KEY, FakeClock, fakeClients, runOn } from "./test-support.ts";

const [FRANKFURT, VIRGINIA] = [parseRegion("eu-central-1"), parseRegion("us-east-1")];
const DESIRED = desiredTenantKey(CONTEXT, ACME, DEFAULT_KEY, completeKeyProfile({ replicaRegions: [FRANKFURT] }));
const PRIMARY = parseKeyArn(`arn:aws:kms:${CONTEXT.region}:${CONTEXT.accountId}:key/mrk-1`);

const TAGS = DESIRED.keyTags(parseAttemptId("attempt-1"));

interface World {
  readonly primary?: KeyArn;
  /** What the primary says of its replicas. */
  readonly listed?: readonly Region[];
  readonly hidden?: readonly Region[];
  readonly states?: Readonly<Record<string, KeyState>>;
  readonly owner?: string;
}

async function reach(
  target: KeyTarget,
  { primary = PRIMARY, listed = [], hidden = [], states = {}, owner = ACME }: World,
) {
  const changes: string[] = [];
  const clientsIn = (region: Region) => fakeClients((call) => answer(region, call));
  const made: Record<string, KeyState> = { ...states };
  const policies: Record<string, string> = {};
  const aliased = new Set<string>(Object.keys(states));
  function answer(region: Region, { name, input }: Call): unknown {
    if (!/^(Describe|Get|List)/.test(name)) changes.push(`${name} in ${region}`);
    const isAlias = String(input.KeyId).startsWith("alias/");
    switch (name) {
      case "DescribeKey": {
        if (hidden.includes(region)) throw awsError("AccessDeniedException", 400);
        const KeyState = region === CONTEXT.region ? "Enabled" : made[region];
        if (KeyState === undefined || (isAlias && !aliased.has(region))) throw awsError("NotFoundException", 400);
        const ReplicaKeys = region === CONTEXT.region ? listed.map((Region) => ({ Region })) : [];
        const Arn = replicaArn(primary, region);
        return { KeyMetadata: { Arn, KeyState, Origin: "EXTERNAL", MultiRegionConfiguration: { ReplicaKeys } } };
      }
      case "GetKeyPolicy":
        return { Policy: policies[region] ?? JSON.stringify(DESIRED.admittedPolicy) };
      case "ListResourceTags":
        return {
          Tags: Object.entries({ ...TAGS, "tenantkeys:tenant": owner }).map(([TagKey, TagValue]) => ({
            TagKey,
            TagValue,
          })),
        };
      case "ReplicateKey":
        made[FRANKFURT] = "Enabled";
        return {};
      case "CreateAlias":
        aliased.add(region);
        return {};
      case "PutKeyPolicy":
        policies[region] = input.Policy;
        return {};
      case "DisableKey":
      case "EnableKey":
        made[region] = name === "DisableKey" ? "Disabled" : "Enabled";
        return {};
      case "ScheduleKeyDeletion":
        made[region] = "PendingDeletion";
        return {};
      default:
        return {};
    }
  }
  const ports = { clients: clientsIn(CONTEXT.region), clientsIn, visibilityBudgetMs: 10_000 } as ProvisionPorts;
  const reached = reachReplicas(ports, runOn(new FakeClock()), DESIRED, primary, { state: "active" }, target);
  return { changes, error: await reached.then(() => undefined).catch((error: unknown) => error) };
}

const SHUT_IN = (region: Region) => [
  `PutKeyPolicy in ${region}`,
  `DisableKey in ${region}`,
  `ScheduleKeyDeletion in ${region}`,
];

describe("a replica", () => {
  test("that the profile no longer names is shut and scheduled with its key all the same", async () => {
    const states = { [FRANKFURT]: "Enabled", [VIRGINIA]: "Enabled" } as const;
    const { changes, error } = await reach("deleted", { listed: [FRANKFURT, VIRGINIA], states });
    expect(error).toBeUndefined();
    expect(changes).toEqual([...SHUT_IN(FRANKFURT), ...SHUT_IN(VIRGINIA)]);
  });

  test("of another tenant's key, to which a changed record leads, is shut and not scheduled for deletion", async () => {
    const states = { [FRANKFURT]: "Enabled" } as const;
    const { changes, error } = await reach("deleted", { listed: [FRANKFURT], states, owner: "globex" });
    expect(error).toBeUndefined();
    expect(changes).toEqual([`PutKeyPolicy in ${FRANKFURT}`, `DisableKey in ${FRANKFURT}`]);
  });

  test("that its primary lists and that hides is never taken for none, and keeps no other from being shut", async () => {
    const world = { listed: [FRANKFURT, VIRGINIA], hidden: [FRANKFURT], states: { [VIRGINIA]: "Enabled" } } as const;
    const { changes, error } = await reach("deleted", world);
    expect(error).toMatchObject({ code: "access_denied", details: { step: "kms:DescribeKey in eu-central-1" } });
    expect(changes).toEqual(SHUT_IN(VIRGINIA));
  });

  test("that is left over and hides doesn't hold up a tenant that may use its key", async () => {
    const world = { listed: [FRANKFURT, VIRGINIA], hidden: [VIRGINIA], states: { [FRANKFURT]: "Enabled" } } as const;
    expect(await reach("usable", world)).toEqual({ changes: [], error: undefined });
  });

  test("isn't asked for where the key was made before its profile named Regions", async () => {
    const single = parseKeyArn(PRIMARY.replace("mrk-1", "1"));
    expect(await reach("usable", { primary: single })).toEqual({ changes: [], error: undefined });
  });

  test("that is missing is made, named, and its tenant let in", async () => {
    const { changes } = await reach("usable", {});
    expect(changes.slice(0, 2)).toEqual([`ReplicateKey in ${CONTEXT.region}`, `CreateAlias in ${FRANKFURT}`]);
  });

  test.each([
    ["disabled", "Disabled", "key_disabled"],
    ["scheduled for deletion", "PendingDeletion", "key_pending_deletion"],
  ] as const)("that somebody else %s is left so, with the reason", async (_, state, code) => {
    const { changes, error } = await reach("usable", { listed: [FRANKFURT], states: { [FRANKFURT]: state } });
    expect(error).toMatchObject({ code });
    expect(changes).toEqual([]);
  });
});
