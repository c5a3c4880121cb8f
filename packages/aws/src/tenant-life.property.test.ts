import fc from "fast-check";
import { expect, test } from "vitest";
import { tenantEvent, worker } from "./event-worker.test-support.ts";

const STATUS_TYPES = ["TenantSuspended", "TenantResumed", "TenantOffboarded", "TenantReinstated"] as const;
const HOLD_TYPES = ["TenantLegalHoldPlaced", "TenantLegalHoldReleased"] as const;
type Type = (typeof STATUS_TYPES)[number] | (typeof HOLD_TYPES)[number] | "TenantSignedUp";

interface HistoryEvent {
  readonly type: Type;
  readonly generation: number;
}

const body = ({ type, generation }: HistoryEvent) =>
  tenantEvent(type, generation, type === "TenantLegalHoldPlaced" ? { reason: "a lawsuit" } : {});

/** Works on the events in this order; what is refused stays refused. Says what AWS then has. */
async function endOf(history: readonly HistoryEvent[]) {
  const { aws, work } = worker();
  for (const event of history) {
    const outcome = await work({ body: body(event), messageId: `${event.type}-${event.generation}` });
    if (outcome.kind === "retry") throw outcome.error;
  }
  const record = aws.tenantRecord();
  const keys = aws.keys.map(({ state, policy }) => ({ state, admitted: policy.includes("UseByTenant") }));
  return { keys, target: record?.state, held: aws.tenants.get("acme")?.hold?.value === true };
}

/** What the newest generations declare of a key that a sign-up asked for, worked out from the events alone. */
function declaredBy(events: readonly HistoryEvent[]) {
  const newest = (types: readonly Type[]) =>
    events.filter(({ type }) => types.includes(type)).sort((one, other) => other.generation - one.generation)[0];
  const firstSignUp = Math.min(...events.filter(({ type }) => type === "TenantSignedUp").map((e) => e.generation));
  const way = newest(["TenantOffboarded", "TenantReinstated"]);
  const leaves = way?.type === "TenantOffboarded" && way.generation > firstSignUp;
  const suspended = newest(["TenantSuspended", "TenantResumed"])?.type === "TenantSuspended";
  const held = newest(HOLD_TYPES)?.type === "TenantLegalHoldPlaced";
  const target = leaves ? "offboarding" : suspended ? "suspended" : "active";
  return { target, held };
}

const histories = fc
  .uniqueArray(
    fc.record({
      type: fc.constantFrom<Type[]>("TenantSignedUp", ...STATUS_TYPES, ...HOLD_TYPES),
      generation: fc.integer({ min: 1, max: 40 }),
    }),
    { selector: ({ generation }) => generation, maxLength: 8 },
  )
  .chain((others) => {
    const events: readonly HistoryEvent[] = [...others, { type: "TenantSignedUp", generation: 41 }];
    return fc.record({
      events: fc.constant(events),
      order: fc.shuffledSubarray([...events], { minLength: events.length }),
      again: fc.array(fc.constantFrom(...events), { maxLength: 6 }),
    });
  })
  .chain(({ events, order, again }) => {
    const repeated = [...order, ...again];
    return fc.record({
      events: fc.constant(events),
      order: fc.constant(order),
      shuffled: fc.shuffledSubarray(repeated, { minLength: repeated.length }),
    });
  });

test("200 histories end, in every order and with every repetition, with the key as the newest generations declare it", async () => {
  await fc.assert(
    fc.asyncProperty(histories, async ({ events, order, shuffled }) => {
      const { target, held } = declaredBy(events);
      for (const history of [order, shuffled]) {
        const end = await endOf(history);
        expect({ target: end.target, held: end.held }).toEqual({ target, held });
        // A key whose tenant left before it was asked for is never made: nothing of it can be usable.
        const state = { active: "Enabled", suspended: "Disabled", offboarding: "Disabled" }[target];
        const key = { state, admitted: target !== "offboarding" };
        expect(end.keys).toEqual(target === "offboarding" && end.keys.length === 0 ? [] : [key]);
      }
    }),
    { numRuns: 200 },
  );
});
