/** What becomes of a key and its replicas where one of them can't be dealt with. */
import { completeKeyProfile, parseRegion, type Region, type RuleId } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { tenantEvent, worker } from "./event-worker.test-support.ts";
import { InMemoryAws } from "./in-memory-aws.test-support.ts";
import { awsError, type CallInput, fakeClients, lostReply, SETTINGS } from "./test-support.ts";

const REGIONS = [parseRegion("eu-central-1"), parseRegion("us-east-1")] as const;
const [FRANKFURT, VIRGINIA] = REGIONS;

/** A tenant with a key and two replicas, in place. A replica is in an AWS of its own, as each Region is. */
async function replicated() {
  const profile = completeKeyProfile({ replicaRegions: REGIONS, watchPeriodDays: 0, deletionWindowDays: 7 });
  const profiles = { default: profile };
  const there = new Map<string, InMemoryAws>();
  const silent = new Set<string>();
  const regionOf = (region: string) => there.get(region) as InMemoryAws;
  const clientsIn = (region: string) =>
    fakeClients(({ name, input }) => {
      if (silent.has(region)) throw lostReply();
      return regionOf(region).answer(name, input);
    });
  const world = worker(undefined, { profiles, clientsIn, stage: { ...SETTINGS, profiles } });
  const { aws, clock } = world;
  for (const region of REGIONS) {
    there.set(region, new InMemoryAws(clock));
    regionOf(region).roles = aws.roles;
  }
  const answer = aws.answer.bind(aws);
  aws.answer = (name, input: CallInput) => {
    if (name !== "ReplicateKey") return answer(name, input);
    const Arn = input.KeyId.replace("eu-west-1", input.ReplicaRegion);
    return regionOf(input.ReplicaRegion).answer("CreateKey", { ...input, Arn } as CallInput);
  };
  const send = (type: string, generation: number) =>
    world.work({ body: tenantEvent(type, generation), messageId: `${type}-${generation}` });
  await send("TenantSignedUp", 1);
  const states = () => [aws, ...there.values()].map(({ keys }) => keys.map(({ state }) => state).join());
  const hide = () => {
    aws.answer = (name, input) => {
      if (input.KeyId === aws.keys[0]?.arn) throw awsError("AccessDeniedException", 400);
      return answer(name, input);
    };
  };
  const profileNames = (replicaRegions: readonly Region[]) => {
    profiles.default = { ...profile, replicaRegions };
  };
  const repair = (...rules: readonly RuleId[]) => {
    const time = new Date(clock.nowMs()).toISOString();
    const body = tenantEvent("TenantKeyRepairRequested", clock.nowMs(), { keyName: "default", rules });
    return world.work({ body: JSON.stringify({ ...JSON.parse(body), time }), senderId: "AROAPERSON:alice" });
  };
  return { ...world, send, states, silent, hide, profileNames, repair, regionOf };
}

describe("a key with replicas", () => {
  test("is repaired in every Region, and a replica that was lost is made anew", async () => {
    const { aws, states, repair, regionOf } = await replicated();
    const [frankfurt, virginia] = [regionOf(FRANKFURT), regionOf(VIRGINIA)];
    frankfurt.keys.length = 0;
    frankfurt.aliases.clear();
    const [replica] = virginia.keys;
    const grant = { GrantId: "grant-1", GranteePrincipal: "arn:aws:iam::444455556666:root", IssuingAccount: "1" };
    if (replica !== undefined) Object.assign(replica, { state: "Disabled", grants: [grant] });
    await expect(repair("replica-missing")).resolves.toMatchObject({ kind: "done" });
    expect(states()).toEqual(["Enabled", "Enabled", "Disabled"]);
    expect(aws.tenantRecord()?.lastRepair).toMatchObject({
      actions: ["replicate", "create-alias", "admit-tenant"],
      withheld: ["enable-key"],
    });
    await repair("replica-differs", "grant-foreign");
    expect(states()).toEqual(["Enabled", "Enabled", "Enabled"]);
    expect(replica?.grants).toEqual([]);
    expect(aws.tenantRecord()?.lastRepair).toMatchObject({ withheld: [] });
  });

  test("is made, suspended, resumed, and has its deletion scheduled in every Region", async () => {
    const { aws, send, states } = await replicated();
    expect(aws.tenantRecord()?.replicas?.map(({ region }) => region)).toEqual(REGIONS);
    expect(states()).toEqual(["Enabled", "Enabled", "Enabled"]);
    await send("TenantSuspended", 2);
    expect(states()).toEqual(["Disabled", "Disabled", "Disabled"]);
    await send("TenantResumed", 3);
    expect(states()).toEqual(["Enabled", "Enabled", "Enabled"]);
    await send("TenantOffboarded", 4);
    expect(states()).toEqual(["PendingDeletion", "PendingDeletion", "PendingDeletion"]);
  });

  test.each([
    ["TenantSuspended", "Disabled", "Disabled"],
    ["TenantOffboarded", "Disabled", "PendingDeletion"],
  ])(
    "is shut by %s everywhere but in a Region that doesn't answer, and there when it does",
    async (type, key, other) => {
      const { aws, send, states, silent } = await replicated();
      silent.add(FRANKFURT);
      await expect(send(type, 2)).resolves.toMatchObject({ kind: "retry" });
      // Its own deletion isn't scheduled: KMS would keep it until the replica is gone that nobody could condemn.
      expect(states()).toEqual([key, "Enabled", other]);
      expect(aws.tenantRecord()?.replicas?.map(({ region }) => region)).toEqual([FRANKFURT, VIRGINIA]);
      silent.clear();
      await expect(send(type, 2)).resolves.toMatchObject({ kind: "done" });
      expect(states()).toEqual([other, other, other]);
    },
  );

  test.each([
    ["TenantSuspended", "Disabled"],
    // A replica can be made again, as long as its key is there.
    ["TenantOffboarded", "PendingDeletion"],
  ])("that hides keeps none of its replicas open after %s", async (type, state) => {
    const { send, states, hide, profileNames } = await replicated();
    hide();
    profileNames([VIRGINIA]);
    await expect(send(type, 2)).resolves.toMatchObject({ kind: "refused", error: { code: "key_missing" } });
    expect(states()).toEqual(["Enabled", state, state]);
  });
});
