/**
 * A key whose material the customer brings, on the real stacks: parameters out, material wrapped by OpenSSL in, used,
 * expired, imported again. And the plaintext material is nowhere: not in a log, a record, a reply or a kept event.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CloudWatchLogsClient,
  DescribeLogGroupsCommand,
  FilterLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { ScanCommand } from "@aws-sdk/lib-dynamodb";
import { clientConfig } from "@tenantkeys/aws";
import { DAY_MS, type ImportParameters, stageNames } from "@tenantkeys/core";
import { advanceClock, type LocalStage } from "@tenantkeys/local";
import { afterAll, beforeAll, expect, it } from "vitest";
import { publish, type ReplyTap, tapReplies, tenantEnvelope, untilActive } from "../support/events.ts";
import {
  decrypt,
  describeKey,
  encrypt,
  type Person,
  person,
  reviewDue,
  say,
  untilState,
  workAt,
} from "../support/life.ts";
import { outcome, tenantSession } from "../support/sessions.ts";
import { sharedStage } from "../support/shared-stage.ts";

const MATERIAL = randomBytes(32);
const OTHER_MATERIAL = randomBytes(32);

let stage: LocalStage;
let tap: ReplyTap;
let operator: Person;
let directory: string;
let keyArn: string;
let secret: Uint8Array;

beforeAll(async () => {
  const profiles = { default: {}, byok: { origin: "EXTERNAL" as const } };
  stage = await sharedStage({ settings: { profiles } });
  tap = await tapReplies(stage);
  operator = await person(stage, "operator");
  directory = mkdtempSync(join(tmpdir(), "tenantkeys-byok-"));
}, 120_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** As docs/byok.md tells a customer to. */
function wrap({ publicKey }: ImportParameters, material: Buffer): string {
  const [key, plain, wrapped] = ["key.der", "plain.bin", "wrapped.bin"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(key, Buffer.from(publicKey, "base64"));
  writeFileSync(plain, material);
  const padding = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"];
  const options = padding.flatMap((option) => ["-pkeyopt", option]);
  const files = ["-in", plain, "-out", wrapped, "-inkey", key, "-keyform", "DER", "-pubin"];
  execFileSync("openssl", ["pkeyutl", "-encrypt", ...files, ...options]);
  return readFileSync(wrapped).toString("base64");
}

async function supply(material: Buffer, change: object = {}): Promise<void> {
  const { importParameters } = await untilState(stage, "bringer", "awaiting-material");
  if (importParameters === undefined) throw new Error("the record has no import parameters");
  const encryptedKeyMaterial = wrap(importParameters, material);
  const { importToken } = importParameters;
  await say(operator, stage, "TenantKeyMaterialSupplied", {
    tenantId: "bringer",
    encryptedKeyMaterial,
    importToken,
    ...change,
  });
}

const replyOf = (detailType: string) => tap.next(detailType, (reply) => reply.detailType === detailType);

it("waits for its material after the sign-up, and says how it is to be wrapped", async () => {
  await publish(stage, tenantEnvelope("TenantSignedUp", { tenantId: "bringer", profile: "byok" }));
  const record = await untilState(stage, "bringer", "awaiting-material");
  keyArn = record.keyArn ?? "";
  expect(record).toMatchObject({ waitingFor: "material", importParameters: { wrappingKeySpec: "RSA_4096" } });
  expect(await describeKey(stage, keyArn)).toMatchObject({ KeyState: "PendingImport", Origin: "EXTERNAL" });
  const { detail } = await replyOf("TenantKeyAwaitingMaterial");
  expect(detail).toMatchObject({ keyArn, wrappingAlgorithm: "RSAES_OAEP_SHA_256" });
  expect(JSON.stringify(detail)).not.toContain(record.importParameters?.importToken);
});

it("is used by its tenant once the material that OpenSSL wrapped is in", async () => {
  const expiresAt = new Date(Date.now() + 10 * DAY_MS);
  await supply(MATERIAL, { expiresAt: expiresAt.toISOString() });
  const record = await untilState(stage, "bringer", "active");
  // AWS keeps whole seconds.
  expect(Math.abs((record.materialExpiresAtMs ?? 0) - expiresAt.getTime())).toBeLessThan(1_000);
  expect(record.nextCheckAtMs).toBe(record.materialExpiresAtMs);
  expect(record.importParameters).toBeUndefined();
  await replyOf("TenantKeyMaterialImported");
  secret = await encrypt(await tenantSession(stage, "bringer"), keyArn, "under the customer's key");
  expect(await decrypt(await tenantSession(stage, "bringer"), keyArn, secret)).toBe("under the customer's key");
});

it("waits again when the material has expired, and takes the same material only", async () => {
  await advanceClock(stage.emulator.endpoint, 11 * DAY_MS);
  expect(await outcome(decrypt(await tenantSession(stage, "bringer"), keyArn, secret))).toBe(
    "KMSInvalidStateException",
  );
  await workAt(stage, reviewDue("bringer"), 0);
  await replyOf("TenantKeyAwaitingMaterial");

  await supply(OTHER_MATERIAL);
  const refused = await replyOf("TenantKeyMaterialImportFailed");
  expect(refused.detail).toMatchObject({ code: "material_mismatch", keptIn: "refused store", keyName: "default" });
  expect(refused.detail.message).toContain("IncorrectKeyMaterialException");

  await supply(MATERIAL);
  const { materialExpiresAtMs } = await untilState(stage, "bringer", "active");
  expect(materialExpiresAtMs).toBeUndefined();
  expect(await decrypt(await tenantSession(stage, "bringer"), keyArn, secret)).toBe("under the customer's key");
});

it("isn't taken for a key whose material AWS made", async () => {
  await publish(stage, tenantEnvelope("TenantSignedUp", { tenantId: "ordinary" }));
  await untilActive(stage, "ordinary");
  const material = { encryptedKeyMaterial: "AAAA", importToken: "AAAA" };
  await say(operator, stage, "TenantKeyMaterialSupplied", { tenantId: "ordinary", ...material });
  expect((await replyOf("TenantKeyMaterialImportFailed")).detail).toMatchObject({ code: "origin_mismatch" });
});

it("leaves the plaintext material nowhere: not in a log, a record, a reply or a kept event", async () => {
  const texts = [await everyLog(), await everyItem(), ...tap.bodies()].join("\n");
  expect(texts.length).toBeGreaterThan(10_000);
  for (const material of [MATERIAL, OTHER_MATERIAL]) {
    for (const form of ["hex", "base64", "base64url", "latin1"] as const) {
      expect(texts.includes(material.toString(form)), form).toBe(false);
    }
  }
});

async function everyLog(): Promise<string> {
  const logs = new CloudWatchLogsClient(clientConfig({ ...stage.at, credentials: stage.emulator.credentials }));
  try {
    const { logGroups = [] } = await logs.send(new DescribeLogGroupsCommand({}));
    const texts = await Promise.all(
      logGroups.map(async ({ logGroupName }) => {
        const { events = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName }));
        return events.map(({ message }) => message).join("\n");
      }),
    );
    expect(texts.join("")).toContain("TenantKeyMaterialSupplied");
    return texts.join("\n");
  } finally {
    logs.destroy();
  }
}

async function everyItem(): Promise<string> {
  const TableName = stageNames(stage.settings.stage).registryTable;
  const { Items } = await stage.root.documents.send(new ScanCommand({ TableName }));
  return JSON.stringify(Items);
}
