import { parseAccountId, parseRegion } from "@tenantkeys/core";
import { expect, it } from "vitest";
import type { KeyItem } from "./registry-items.ts";
import { whereItLeads } from "./tenant-role.ts";
import { KEY_ARN, REF, ROLE_ARN } from "./test-support.ts";

const PLACE = { accountId: parseAccountId("111122223333"), region: parseRegion("eu-west-1") };
const SHARED_ROLE = "arn:aws:iam::111122223333:role/tenantkeys/tenantkeys-prod-tenant";
const OF_CUSTOMER = "arn:aws:kms:eu-central-1:444455556666:key/of-the-customer";
const REPLICA = "arn:aws:kms:us-east-1:111122223333:key/mrk-1";
const OLD_KEY = "arn:aws:kms:eu-west-1:111122223333:key/old";

function leads(change: Readonly<Record<string, unknown>>) {
  const key = { state: "active", keyArn: KEY_ARN, roleArn: ROLE_ARN, replicaKeyArns: [], previousKeyArns: [] };
  return whereItLeads(REF, { ...key, ...change } as unknown as KeyItem, PLACE);
}

it("leads to the tenant's own role or the shared one, and to its key with replicas and the keys before it", () => {
  expect(leads({ replicaKeyArns: [REPLICA], previousKeyArns: [OLD_KEY] })).toEqual({
    keyArn: KEY_ARN,
    decryptKeyArns: [KEY_ARN, REPLICA, OLD_KEY],
    roleArn: ROLE_ARN,
    region: KEY_ARN.split(":")[3],
  });
  expect(leads({ roleArn: SHARED_ROLE }).roleArn).toBe(SHARED_ROLE);
});

it("leads to a key of another account only where the record says that the tenant brought it", () => {
  expect(leads({ keyArn: OF_CUSTOMER, ownKeyArn: OF_CUSTOMER }).keyArn).toBe(OF_CUSTOMER);
  expect(() => leads({ keyArn: OF_CUSTOMER })).toThrow("a key of account 111122223333");
  expect(() => leads({ ownKeyArn: OF_CUSTOMER })).toThrow("the tenant's own");
});

it.each([
  ["another tenant's role", { roleArn: ROLE_ARN.replace("acme", "globex") }],
  ["a role of another stage", { roleArn: ROLE_ARN.replaceAll("prod", "dev") }],
  ["a role of its name in another account", { roleArn: ROLE_ARN.replace("111122223333", "444455556666") }],
  ["a role of its name elsewhere in the account", { roleArn: "arn:aws:iam::111122223333:role/tk-prod-acme" }],
  ["a role of the account's administrators", { roleArn: "arn:aws:iam::111122223333:role/Admin" }],
  ["the shared role of another stage", { roleArn: SHARED_ROLE.replace("prod", "dev") }],
  ["no role", { roleArn: undefined }],
  ["no key", { keyArn: undefined }],
  ["a key of another Region", { keyArn: KEY_ARN.replace("eu-west-1", "us-east-1") }],
  ["a previous key of another account", { previousKeyArns: [OF_CUSTOMER] }],
  ["a replica in another account", { replicaKeyArns: [OF_CUSTOMER] }],
])("refuses %s", (_, change) => {
  expect(() => leads(change)).toThrow(expect.objectContaining({ code: "record_invalid" }));
});
