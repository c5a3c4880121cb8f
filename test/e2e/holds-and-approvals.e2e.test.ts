/** What people decide about an offboarding: who they are is what SQS says of the message's sender, on the real stacks. */
import type { LocalStage } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import {
  publish,
  type ReplyTap,
  readRecord,
  tapReplies,
  tenantEnvelope,
  untilActive,
  untilSettled,
} from "../support/events.ts";
import { describeKey, type Person, person, say, untilState } from "../support/life.ts";
import { sharedStage } from "../support/shared-stage.ts";

let stage: LocalStage;
let tap: ReplyTap;
let alice: Person;
let bob: Person;
let carol: Person;

beforeAll(async () => {
  const profiles = {
    default: { watchPeriodDays: 0, deletionWindowDays: 7 },
    approved: { watchPeriodDays: 0, deletionWindowDays: 7, approvalRequired: true },
  };
  stage = await sharedStage({ settings: { profiles } });
  tap = await tapReplies(stage);
  [alice, bob, carol] = await Promise.all([person(stage, "alice"), person(stage, "bob"), person(stage, "carol")]);
}, 120_000);

const happens = (type: string, tenantId: string, detail: object = {}) =>
  publish(stage, tenantEnvelope(type, { tenantId, ...detail }));

async function signUp(tenantId: string, profile = "default"): Promise<string> {
  await happens("TenantSignedUp", tenantId, { profile });
  return (await untilActive(stage, tenantId)).keyArn ?? "";
}

const replyOf = (detailType: string, tenantId: string) =>
  tap.next(
    `${detailType} of ${tenantId}`,
    (reply) => reply.detailType === detailType && reply.detail.tenantId === tenantId,
  );
const stateInKms = async (keyArn: string) => (await describeKey(stage, keyArn))?.KeyState;

describe("a legal hold", () => {
  it("keeps an offboarded tenant's key from being scheduled for deletion, until it is released", async () => {
    const keyArn = await signUp("sued");
    await say(alice, stage, "TenantLegalHoldPlaced", { tenantId: "sued", reason: "case 4711" });
    expect((await replyOf("TenantLegalHoldRecorded", "sued")).detail).toMatchObject({
      held: true,
      reason: "case 4711",
    });
    expect(await stateInKms(keyArn)).toBe("Enabled");

    await happens("TenantOffboarded", "sued");
    expect(await untilState(stage, "sued", "offboarding")).toMatchObject({ waitingFor: "legal-hold" });
    expect(await stateInKms(keyArn)).toBe("Disabled");

    await say(alice, stage, "TenantLegalHoldReleased", { tenantId: "sued" });
    await untilState(stage, "sued", "pending-deletion");
    expect(await stateInKms(keyArn)).toBe("PendingDeletion");
  });

  it("that comes while the deletion is pending cancels it, and the key stays disabled", async () => {
    const keyArn = await signUp("sued-late");
    await happens("TenantOffboarded", "sued-late");
    await untilState(stage, "sued-late", "pending-deletion");
    await say(alice, stage, "TenantLegalHoldPlaced", { tenantId: "sued-late", reason: "case 4712" });
    const held = await untilState(stage, "sued-late", "offboarding");
    expect(held).toMatchObject({ waitingFor: "legal-hold" });
    expect(held.deletionDateMs).toBeUndefined();
    expect(await stateInKms(keyArn)).toBe("Disabled");
  });
});

describe("an approval", () => {
  const generationOf = (event: { readonly detail: unknown }) =>
    (event.detail as { readonly generation: number }).generation;

  it("by the one who asked is refused and kept, and by somebody else lets the deletion be scheduled", async () => {
    const keyArn = await signUp("two-people", "approved");
    const asked = await say(alice, stage, "TenantOffboarded", { tenantId: "two-people" });
    expect(await untilState(stage, "two-people", "offboarding")).toMatchObject({ waitingFor: "approval" });

    const approval = { tenantId: "two-people", offboardingGeneration: generationOf(asked) };
    await say(alice, stage, "TenantOffboardingApproved", approval);
    const refused = await replyOf("TenantOffboardingApprovalFailed", "two-people");
    expect(refused.detail).toMatchObject({ code: "approval_refused", keptIn: "refused store" });
    expect(await stateInKms(keyArn)).toBe("Disabled");

    await say(bob, stage, "TenantOffboardingApproved", approval);
    await untilState(stage, "two-people", "pending-deletion");
    expect(await stateInKms(keyArn)).toBe("PendingDeletion");
  });

  it("over the bus is nobody's, so it is refused", async () => {
    await signUp("by-bus", "approved");
    const asked = await say(alice, stage, "TenantOffboarded", { tenantId: "by-bus" });
    await untilState(stage, "by-bus", "offboarding");
    await happens("TenantOffboardingApproved", "by-bus", { offboardingGeneration: generationOf(asked) });
    expect((await replyOf("TenantOffboardingApprovalFailed", "by-bus")).detail.code).toBe("approval_refused");
    expect((await readRecord(stage, "by-bus"))?.state).toBe("offboarding");
  });

  it("takes two people where the request came over the bus, from nobody in particular", async () => {
    await signUp("asked-by-bus", "approved");
    const asked = tenantEnvelope("TenantOffboarded", { tenantId: "asked-by-bus" });
    await publish(stage, asked);
    await untilState(stage, "asked-by-bus", "offboarding");
    const approval = { tenantId: "asked-by-bus", offboardingGeneration: generationOf(asked) };
    await say(bob, stage, "TenantOffboardingApproved", approval);
    await replyOf("TenantOffboardingApprovalRecorded", "asked-by-bus");
    await untilSettled(stage);
    expect((await readRecord(stage, "asked-by-bus"))?.waitingFor).toBe("approval");
    await say(carol, stage, "TenantOffboardingApproved", approval);
    await untilState(stage, "asked-by-bus", "pending-deletion");
  });
});
