/** A key with a replica in another Region, on the real stacks: one tenant's in both, nobody else's in either. */
import {
  DecryptCommand,
  DescribeKeyCommand,
  EncryptCommand,
  GetKeyPolicyCommand,
  KMSClient,
  PutKeyPolicyCommand,
} from "@aws-sdk/client-kms";
import { clientConfig } from "@tenantkeys/aws";
import { DAY_MS, parseKeyArn, parseRegion, policyDocument, replicaArn } from "@tenantkeys/core";
import { advanceClock, assumeRole, type LocalStage } from "@tenantkeys/local";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  publish,
  type ReplyTap,
  readRecord,
  tapReplies,
  tenantEnvelope,
  until,
  untilActive,
} from "../support/events.ts";
import { reviewDue, untilState, workAt } from "../support/life.ts";
import { outcome } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";

const FRANKFURT = parseRegion("eu-central-1");

let stage: LocalStage;
let keyArn: string;
let replica: string;
let tap: ReplyTap;
const clients: KMSClient[] = [];

beforeAll(async () => {
  const profiles = { default: { watchPeriodDays: 0, deletionWindowDays: 7, replicaRegions: [FRANKFURT] } };
  stage = await sharedStage({ settings: { profiles } });
  tap = await tapReplies(stage);
  for (const tenantId of ["traveller", "stranger"]) await happens("TenantSignedUp", tenantId);
  await untilActive(stage, "stranger");
  keyArn = (await untilActive(stage, "traveller")).keyArn ?? "";
  replica = replicaArn(parseKeyArn(keyArn), FRANKFURT);
  const isTravellers = ({ detail }: { readonly detail: object }) => "keyArn" in detail && detail.keyArn === keyArn;
  const { detail } = await tap.next("the key", isTravellers);
  expect(detail.replicas).toEqual([{ region: FRANKFURT, keyArn: replica }]);
}, 120_000);

afterAll(() => {
  for (const client of clients) client.destroy();
});

const happens = (type: string, tenantId: string) => publish(stage, tenantEnvelope(type, { tenantId }));

/** The tenant's own role, in a Region. */
async function tenantIn(region: string, tenantId: string): Promise<KMSClient> {
  const roleArn = `arn:aws:iam::${stage.accountId}:role/tenantkeys/local/tk-local-${tenantId}`;
  const credentials = await assumeRole(stage.at, await stage.application(), roleArn, tenantId);
  const client = new KMSClient(clientConfig({ ...stage.at, region, credentials }));
  clients.push(client);
  return client;
}

function rootIn(region: string): KMSClient {
  const client = new KMSClient(clientConfig({ ...stage.at, region, credentials: stage.emulator.credentials }));
  clients.push(client);
  return client;
}

const encrypt = (kms: KMSClient, KeyId: string) =>
  kms.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from("across Regions") }));
async function states(): Promise<readonly (string | undefined)[]> {
  const state = async (region: string, KeyId: string) =>
    (await rootIn(region).send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.KeyState;
  return [await state(stage.region, keyArn), await state(FRANKFURT, replica)];
}

it("is encrypted with in one Region and decrypted with in the other, by its tenant only", async () => {
  expect(keyArn).toContain(":key/mrk-");
  const { CiphertextBlob } = await encrypt(await tenantIn(stage.region, "traveller"), keyArn);
  const frankfurt = await tenantIn(FRANKFURT, "traveller");
  const { Plaintext } = await frankfurt.send(new DecryptCommand({ KeyId: replica, CiphertextBlob }));
  expect(Buffer.from(Plaintext ?? []).toString()).toBe("across Regions");
  for (const [region, key] of [
    [stage.region, keyArn],
    [FRANKFURT, replica],
  ] as const) {
    expect(await outcome(encrypt(await tenantIn(region, "stranger"), key))).toBe("AccessDeniedException");
  }
  const { KeyMetadata } = await rootIn(FRANKFURT).send(
    new DescribeKeyCommand({ KeyId: "alias/tenantkeys/local/traveller/default" }),
  );
  expect(KeyMetadata?.Arn).toBe(replica);
});

it("is suspended and resumed in both, as KMS shares no key's state", async () => {
  await happens("TenantSuspended", "traveller");
  await untilState(stage, "traveller", "suspended");
  expect(await states()).toEqual(["Disabled", "Disabled"]);
  await happens("TenantResumed", "traveller");
  await untilState(stage, "traveller", "active");
  expect(await states()).toEqual(["Enabled", "Enabled"]);
});

it("isn't scheduled for deletion while its replica hides, which is no reason to leave it open", async () => {
  const frankfurt = rootIn(FRANKFURT);
  const { Policy } = await frankfurt.send(new GetKeyPolicyCommand({ KeyId: replica, PolicyName: "default" }));
  const put = (policy: string | undefined) =>
    frankfurt.send(
      new PutKeyPolicyCommand({
        KeyId: replica,
        PolicyName: "default",
        Policy: policy,
        BypassPolicyLockoutSafetyCheck: true,
      }),
    );
  const elsewhere = { AWS: "arn:aws:iam::444455556666:root" };
  await put(
    JSON.stringify(
      policyDocument([{ Sid: "Elsewhere", Effect: "Allow", Principal: elsewhere, Action: "kms:*", Resource: "*" }]),
    ),
  );
  await happens("TenantOffboarded", "traveller");
  await until("the offboarding to fail", async () => {
    const record = await readRecord(stage, "traveller", "default");
    return record?.failure?.code === "access_denied" && record.leaseUntilMs === 0 && record;
  });
  expect(await states()).toEqual(["Disabled", "Enabled"]);
  await put(Policy);
  await happens("TenantReinstated", "traveller");
  await until("both to be usable again", async () => (await states()).every((state) => state === "Enabled"));
  await untilState(stage, "traveller", "active");
});

it("waits with its deletion for its replica's, and both are saved by a reinstatement", async () => {
  await happens("TenantOffboarded", "traveller");
  await untilState(stage, "traveller", "pending-deletion");
  expect(await states()).toEqual(["PendingReplicaDeletion", "PendingDeletion"]);
  await happens("TenantReinstated", "traveller");
  await untilState(stage, "traveller", "active");
  expect(await states()).toEqual(["Enabled", "Enabled"]);
});

it("is destroyed when the replica is gone, and the primary after it", async () => {
  await happens("TenantOffboarded", "traveller");
  await untilState(stage, "traveller", "pending-deletion");
  await advanceClock(stage.emulator.endpoint, 8 * DAY_MS);
  await workAt(stage, reviewDue("traveller"), 0);
  const waiting = await untilState(stage, "traveller", "pending-deletion");
  expect(waiting.deletionDateMs).toBeGreaterThan(Date.now());
  const { detail } = await tap.next("the date", ({ detailType }) => detailType === "TenantKeyDeletionScheduled");
  expect(detail.deletionDate).toBe(new Date(waiting.deletionDateMs ?? 0).toISOString());
  await advanceClock(stage.emulator.endpoint, 8 * DAY_MS);
  await workAt(stage, reviewDue("traveller"), 0);
  await untilState(stage, "traveller", "destroyed");
  for (const [region, key] of [
    [stage.region, keyArn],
    [FRANKFURT, replica],
  ] as const) {
    expect(await outcome(rootIn(region).send(new DescribeKeyCommand({ KeyId: key })))).toBe("NotFoundException");
  }
});
