/**
 * Random lives: any events, new and replayed, days that pass and reviews, in any order. Whatever happened, nothing is
 * destroyed that shouldn't be, and the tenant is never stuck: who is let back in gets a key that works.
 */
import { completeKeyProfile, DAY_MS, type KeyRecord } from "@tenantkeys/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { tenantEvent, worker } from "./event-worker.test-support.ts";
import { LEASE_DURATION_MS } from "./in-memory-aws.test-support.ts";
import { DESIRED, lostReply, SETTINGS } from "./test-support.ts";

const EVENT_TYPES = [
  "TenantSignedUp",
  "TenantSuspended",
  "TenantResumed",
  "TenantOffboarded",
  "TenantReinstated",
  "TenantLegalHoldPlaced",
  "TenantLegalHoldReleased",
] as const;

interface Cut {
  readonly call: number;
  readonly moment: "before" | "after";
}

type Step =
  /** `cutAt`: its worker is cut off at that call, before or after its effect, and the message comes again. */
  | { readonly kind: "event"; readonly type: (typeof EVENT_TYPES)[number]; readonly cutAt?: Cut | undefined }
  | { readonly kind: "replay"; readonly of: number }
  | { readonly kind: "days"; readonly days: number }
  | { readonly kind: "review" };

const WATCH_DAYS = 3;
const WINDOW_DAYS = 7;
const profiles = { default: completeKeyProfile({ watchPeriodDays: WATCH_DAYS, deletionWindowDays: WINDOW_DAYS }) };

function lifeOf() {
  let cut: Cut | undefined;
  let calls = 0;
  const world = worker(
    async (_name, _signal, effect) => {
      if (cut === undefined || ++calls !== cut.call) return effect();
      if (cut.moment === "after") effect();
      throw lostReply();
    },
    { profiles, stage: { ...SETTINGS, profiles } },
  );
  const { aws, clock, work } = world;
  const sent: string[] = [];
  const deliver = async (body: string, cutAt?: Cut) => {
    const message = { body, messageId: `message-${sent.length}` };
    [cut, calls] = [cutAt, 0];
    const outcome = await work(message);
    cut = undefined;
    if (outcome.kind !== "retry") return outcome;
    clock.advance(2 * LEASE_DURATION_MS);
    const again = await work(message);
    if (again.kind === "retry") throw again.error;
    return again;
  };
  const send = (type: string, detail: object = {}, cutAt?: Cut) => {
    const reason = type === "TenantLegalHoldPlaced" ? { reason: "a lawsuit" } : {};
    sent.push(tenantEvent(type, sent.length + 1, { ...reason, ...detail }));
    return deliver(sent.at(-1) ?? "", cutAt);
  };
  const take = async (step: Step) => {
    if (step.kind === "event") return send(step.type, {}, step.cutAt);
    if (step.kind === "review") return send("TenantKeyReviewDue", { keyName: "default" });
    if (step.kind === "replay") {
      const again = sent[step.of % Math.max(sent.length, 1)];
      return again === undefined ? undefined : deliver(again);
    }
    clock.advance(step.days * DAY_MS);
    return aws.letTimePass();
  };
  return { ...world, send, take };
}

type Life = ReturnType<typeof lifeOf>;

/** What must hold after every step. */
function expectSafe({ aws, clock }: Life, before: KeyRecord | undefined): void {
  const record = aws.tenantRecord();
  for (const { arn, state, policy } of aws.keys) {
    const admitted = policy.includes("UseByTenant");
    if (state === "PendingDeletion") expect([arn, admitted]).toEqual([arn, false]);
    if (admitted && state === "Enabled") expect(arn).toBe(record?.keyArn);
  }
  if (record?.state === "pending-deletion" && before?.state !== "pending-deletion") {
    expect(aws.tenants.get("acme")).toMatchObject({ leaving: { value: true } });
    expect(aws.tenants.get("acme")?.hold?.value ?? false).toBe(false);
    expect(clock.nowMs()).toBeGreaterThanOrEqual((record.offboardedAtMs ?? Infinity) + WATCH_DAYS * DAY_MS);
  }
  if (record?.state === "destroyed" && record.keyArn !== undefined) {
    expect(aws.destructions.map(({ keyArn }) => keyArn)).toContain(record.keyArn);
    expect(aws.roles.size).toBe(0);
  }
}

/** Lets the tenant back in, as an operator would, and says what AWS then has. */
async function letBackIn({ aws, send, take }: Life) {
  await send("TenantLegalHoldReleased");
  await send("TenantReinstated");
  await send("TenantResumed");
  await take({ kind: "review" });
  const outcome = await send("TenantSignedUp");
  const usable = aws.keys.filter(({ state, policy }) => state === "Enabled" && policy.includes("UseByTenant"));
  return {
    outcome: outcome.kind === "refused" ? outcome.error.message : outcome.kind,
    state: aws.tenantRecord()?.state,
    usable: usable.map(({ arn }) => arn),
    alias: aws.aliases.get(DESIRED.aliasName),
    rolePolicies: aws.roles.get(DESIRED.role.name)?.policies.size,
  };
}

const cuts = fc.option(
  fc.record({ call: fc.integer({ min: 1, max: 25 }), moment: fc.constantFrom<Cut["moment"][]>("before", "after") }),
  { nil: undefined },
);
const types = fc.oneof(fc.constantFrom(...EVENT_TYPES), fc.constantFrom("TenantSignedUp", "TenantOffboarded"));

/** Long, and with time for a way out to come to its end: short lives mostly end before anything happens. */
const steps = fc.array(
  fc.oneof<fc.WeightedArbitrary<Step>[]>(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("event"), type: types, cutAt: cuts }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("replay"), of: fc.nat(60) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("days"), days: fc.constantFrom(1, WATCH_DAYS, WINDOW_DAYS) }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("review") }) },
  ),
  { minLength: 30, maxLength: 60, size: "max" },
);

test("200 random lives destroy nothing too early, and none ends in a state that nobody gets out of", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (life) => {
      const world = lifeOf();
      for (const step of life) {
        const before = world.aws.tenantRecord();
        await world.take(step);
        expectSafe(world, before);
      }
      const end = await letBackIn(world);
      expect(end).toEqual({ outcome: "done", state: "active", usable: [end.alias], alias: end.alias, rolePolicies: 1 });
      expect(end.alias).toBeDefined();
    }),
    { numRuns: 200 },
  );
  // Five seconds are enough on a machine that does nothing else.
}, 30_000);
