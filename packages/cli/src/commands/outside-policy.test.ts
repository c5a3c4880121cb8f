import { parseStageSettings } from "@tenantkeys/core";
import { expect, test } from "vitest";
import { fakeOperator, keyRecord, runCommand } from "../test-support.ts";

const settings = parseStageSettings({
  stage: "dev",
  applicationRoleArns: ["arn:aws:iam::111122223333:role/app"],
  profiles: { default: {}, shared: { outsideAccounts: ["444455556666"] } },
});

function knowing(...records: ReturnType<typeof keyRecord>[]) {
  return fakeOperator({ settings, keysOfTenant: async () => records });
}

test("the policy alone is printed, for the one key, and whose account needs it is said beside it", async () => {
  const { exitCode, out, err } = await runCommand(
    ["outside-policy", "acme"],
    knowing(keyRecord({ profile: "shared" })),
  );
  expect(exitCode).toBe(0);
  const policy = JSON.parse(out);
  expect(policy.Statement).toHaveLength(1);
  expect(policy.Statement[0]).toMatchObject({
    Effect: "Allow",
    Resource: ["arn:aws:kms:eu-west-1:111122223333:key/1234"],
  });
  expect(policy.Statement[0].Action).toContain("kms:Decrypt");
  expect(err).toContain("in account 444455556666");
});

test.each([
  ["a profile that shares nothing", keyRecord(), 64, 'profile "default" shares its keys with no outside account'],
  ["no ARN yet", keyRecord({ profile: "shared", keyArn: undefined }), 1, "error: state_conflict"],
  ["a profile that the stage has no longer", keyRecord({ profile: "gone" }), 1, "error: settings_invalid"],
])("a key with %s has no such policy", async (_, record, code, said) => {
  const { exitCode, out, err } = await runCommand(["outside-policy", "acme"], knowing(record));
  expect({ exitCode, out }).toEqual({ exitCode: code, out: "" });
  expect(err).toContain(said);
});
