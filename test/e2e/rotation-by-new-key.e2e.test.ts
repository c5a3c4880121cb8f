/**
 * A key that KMS can't rotate is replaced by a new one that takes over its alias and tenant. Shown with a MAC key, on the
 * real stacks: keys of custom key stores go the same way, and no local AWS has such stores.
 */
import { DescribeKeyCommand, GenerateMacCommand, VerifyMacCommand } from "@aws-sdk/client-kms";
import type { LocalStage } from "@tenantkeys/local";
import { beforeAll, expect, it } from "vitest";
import { publish, type ReplyTap, tapReplies, tenantEnvelope, untilActive } from "../support/events.ts";
import { describeKey, untilState } from "../support/life.ts";
import { outcome, type Session, tenantSession } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";

const MacAlgorithm = "HMAC_SHA_256";
const Message = Buffer.from("signed by the first key");

let stage: LocalStage;
let tap: ReplyTap;
let oldKey: string;
let mac: Uint8Array | undefined;

beforeAll(async () => {
  stage = await sharedStage({
    settings: { profiles: { default: { keySpec: "HMAC_256", watchPeriodDays: 0, deletionWindowDays: 7 } } },
  });
  tap = await tapReplies(stage);
  await happens("TenantSignedUp");
  oldKey = (await untilActive(stage, "signer")).keyArn ?? "";
  ({ Mac: mac } = await sign(await tenantSession(stage, "signer"), oldKey));
}, 120_000);

const happens = (type: string) => publish(stage, tenantEnvelope(type, { tenantId: "signer" }));
const sign = ({ kms }: Session, KeyId: string) => kms.send(new GenerateMacCommand({ KeyId, MacAlgorithm, Message }));
const verify = ({ kms }: Session, KeyId: string) =>
  kms.send(new VerifyMacCommand({ KeyId, MacAlgorithm, Message, Mac: mac }));

it("makes a new key, moves the alias to it, and lets the tenant use both", async () => {
  await happens("TenantKeyRotationRequested");
  const { detail } = await tap.next("the rotation", (reply) => reply.detailType === "TenantKeyRotated");
  const newKey = String(detail.keyArn);
  expect(detail).toMatchObject({ rotation: "new-key", previousKeyArn: oldKey });
  const alias = "alias/tenantkeys/local/signer/default";
  const { KeyMetadata } = await stage.root.kms.send(new DescribeKeyCommand({ KeyId: alias }));
  expect([KeyMetadata?.Arn, newKey === oldKey]).toEqual([newKey, false]);
  const session = await tenantSession(stage, "signer");
  expect(await outcome(sign(session, newKey))).toBe("worked");
  expect((await verify(session, oldKey)).MacValid).toBe(true);
});

it("suspends and condemns both with their tenant", async () => {
  const { keyArn: newKey = "", previousKeyArns } = await untilActive(stage, "signer");
  expect(previousKeyArns).toEqual([oldKey]);
  const states = async () => [
    (await describeKey(stage, newKey))?.KeyState,
    (await describeKey(stage, oldKey))?.KeyState,
  ];
  await happens("TenantSuspended");
  await untilState(stage, "signer", "suspended");
  expect(await states()).toEqual(["Disabled", "Disabled"]);
  await happens("TenantOffboarded");
  await untilState(stage, "signer", "pending-deletion");
  expect(await states()).toEqual(["PendingDeletion", "PendingDeletion"]);
});
