/** What people decide about an offboarding: who they are is what SQS says of the message's sender, on the real stacks. */
import type { LocalStage } from "@tenantkeys/local";
import { beforeAll, describe, expect, it } from "vitest";
import { publish, readRecord, tapReplies, tenantEnvelope, untilSettled } from "../support/events.ts";
import { anotherSession, keptEvents, livesOn, type Person, person, say, untilState } from "../support/life.ts";
import { sharedStage } from "../support/shared-stage.ts";

let stage: LocalStage;
let lives: ReturnType<typeof livesOn>;
let alice: Person;
let bob: Person;
let carol: Person;

beforeAll(async () => {
  const profiles = {
    default: { watchPeriodDays: 0, deletionWindowDays: 7 },
    approved: { watchPeriodDays: 0, deletionWindowDays: 7, approvalRequired: true },
  };
  stage = await sharedStage({ settings: { profiles } });
  lives = livesOn(stage, await tapReplies(stage));
  [alice, bob, carol] = await Promise.all([person(stage, "alice"), person(stage, "bob"), person(stage, "carol")]);
}, 120_000);

describe("a legal hold", () => {
  it("keeps an offboarded tenant's key from being scheduled for deletion, until it is released", async () => {
    const keyArn = await lives.signUp("sued");
    await say(alice, stage, "TenantLegalHoldPlaced", { tenantId: "sued", reason: "case 4711" });
    expect((await lives.replyOf("TenantLegalHoldRecorded", "sued")).detail).toMatchObject({
      held: true,
      reason: "case 4711",
    });
    expect(await lives.stateInKms(keyArn)).toBe("Enabled");

    await lives.happens("TenantOffboarded", "sued");
    expect(await untilState(stage, "sued", "offboarding")).toMatchObject({ waitingFor: "legal-hold" });
    expect(await lives.stateInKms(keyArn)).toBe("Disabled");

    await say(alice, stage, "TenantLegalHoldReleased", { tenantId: "sued" });
    await untilState(stage, "sued", "pending-deletion");
    expect(await lives.stateInKms(keyArn)).toBe("PendingDeletion");
  });

  it("that comes while the deletion is pending cancels it: the key stays disabled until the hold is released", async () => {
    const keyArn = await lives.signUp("sued-late");
    await lives.happens("TenantOffboarded", "sued-late");
    await untilState(stage, "sued-late", "pending-deletion");
    await say(alice, stage, "TenantLegalHoldPlaced", { tenantId: "sued-late", reason: "case 4712" });
    const held = await untilState(stage, "sued-late", "offboarding");
    expect(held).toMatchObject({ waitingFor: "legal-hold" });
    expect(held.deletionDateMs).toBeUndefined();
    expect(await lives.stateInKms(keyArn)).toBe("Disabled");

    await say(alice, stage, "TenantLegalHoldReleased", { tenantId: "sued-late" });
    expect((await untilState(stage, "sued-late", "pending-deletion")).deletionDateMs).toBeGreaterThan(Date.now());
    expect(await lives.stateInKms(keyArn)).toBe("PendingDeletion");
  });
});

describe("an approval", () => {
  const generationOf = (event: { readonly detail: unknown }) =>
    (event.detail as { readonly generation: number }).generation;

  it("by the one who asked is refused and kept, and by somebody else lets the deletion be scheduled", async () => {
    const keyArn = await lives.signUp("two-people", "approved");
    const asked = await say(alice, stage, "TenantOffboarded", { tenantId: "two-people" });
    expect(await untilState(stage, "two-people", "offboarding")).toMatchObject({ waitingFor: "approval" });

    const approval = { tenantId: "two-people", offboardingGeneration: generationOf(asked) };
    // A session's name is chosen by whoever assumes the role, so another one is nobody else.
    for (const self of [alice, await anotherSession(stage, "alice", "not-alice")]) {
      await say(self, stage, "TenantOffboardingApproved", approval);
      const refused = await lives.replyOf("TenantOffboardingApprovalFailed", "two-people");
      expect(refused.detail).toMatchObject({ code: "approval_refused", keptIn: "refused store" });
    }
    const kept = await keptEvents(stage, "two-people");
    expect(kept.map(({ code }) => code)).toEqual(["approval_refused", "approval_refused"]);
    expect(await readRecord(stage, "two-people")).toMatchObject({ state: "offboarding", waitingFor: "approval" });
    expect(await lives.stateInKms(keyArn)).toBe("Disabled");

    await say(bob, stage, "TenantOffboardingApproved", approval);
    await untilState(stage, "two-people", "pending-deletion");
    expect(await lives.stateInKms(keyArn)).toBe("PendingDeletion");
  });

  it("isn't got round by a sign-up over the bus that names a profile without one", async () => {
    const keyArn = await lives.signUp("got-round", "approved");
    await lives.happens("TenantOffboarded", "got-round");
    await untilState(stage, "got-round", "offboarding");
    await lives.happens("TenantSignedUp", "got-round", { profile: "default" });
    await lives.replyOf("TenantKeyProvisioningFailed", "got-round");
    await lives.happens("TenantOffboarded", "got-round");
    await lives.replyOf("TenantOffboardingStarted", "got-round");
    await lives.replyOf("TenantOffboardingStarted", "got-round");
    expect(await readRecord(stage, "got-round")).toMatchObject({ state: "offboarding", waitingFor: "approval" });
    expect(await lives.stateInKms(keyArn)).toBe("Disabled");
  });

  it("over the bus is nobody's, so it is refused", async () => {
    await lives.signUp("by-bus", "approved");
    const asked = await say(alice, stage, "TenantOffboarded", { tenantId: "by-bus" });
    await untilState(stage, "by-bus", "offboarding");
    await lives.happens("TenantOffboardingApproved", "by-bus", { offboardingGeneration: generationOf(asked) });
    expect((await lives.replyOf("TenantOffboardingApprovalFailed", "by-bus")).detail.code).toBe("approval_refused");
    expect((await readRecord(stage, "by-bus"))?.state).toBe("offboarding");
  });

  it("takes two people where the request came over the bus, from nobody in particular", async () => {
    await lives.signUp("asked-by-bus", "approved");
    const asked = tenantEnvelope("TenantOffboarded", { tenantId: "asked-by-bus" });
    await publish(stage, asked);
    await untilState(stage, "asked-by-bus", "offboarding");
    const approval = { tenantId: "asked-by-bus", offboardingGeneration: generationOf(asked) };
    await say(bob, stage, "TenantOffboardingApproved", approval);
    await lives.replyOf("TenantOffboardingApprovalRecorded", "asked-by-bus");
    await untilSettled(stage);
    expect((await readRecord(stage, "asked-by-bus"))?.waitingFor).toBe("approval");
    await say(carol, stage, "TenantOffboardingApproved", approval);
    await untilState(stage, "asked-by-bus", "pending-deletion");
  });
});
