/** Verification on demand, on the deployed stage, by somebody who has the operator's policy and nothing else. */
import { DisableKeyCommand, EnableKeyCommand, GetKeyPolicyCommand, PutKeyPolicyCommand } from "@aws-sdk/client-kms";
import type { Credentials } from "@tenantkeys/aws";
import type { LocalStage } from "@tenantkeys/local";
import { beforeAll, expect, it } from "vitest";
import { operatorCredentials, tenantkeys } from "../support/command-line.ts";
import { sharedStage } from "../support/shared-stage.ts";

let stage: LocalStage;
let operator: Credentials;

beforeAll(async () => {
  stage = await sharedStage({ settings: { profiles: { default: { watchPeriodDays: 0 } } } });
  operator = await operatorCredentials(stage, "verifier-by-hand");
  for (const tenant of TENANTS) expect((await run("signup", tenant, "--wait")).exitCode).toBe(0);
});

const TENANTS = ["well", "drifted", "leaving", "hidden"];

async function run(...args: readonly string[]) {
  const { exitCode, stdout, stderr } = await tenantkeys(stage, operator, [...args, "--json"]);
  const answer = stdout === "" ? {} : JSON.parse(stdout);
  const findings = (answer.findings ?? []).map(
    ({ tenantId, ruleId }: { tenantId: string; ruleId: string }) => `${tenantId} ${ruleId}`,
  );
  return { exitCode, findings, answer, stderr };
}

async function keyOf(tenant: string): Promise<string> {
  return (await run("show", tenant)).answer.keys[0].keyArn;
}

it("finds nothing wrong with tenants that are as declared", async () => {
  const verified = await run("verify", "--all", "--grants");
  expect(verified).toMatchObject({ exitCode: 0, findings: [], stderr: "" });
  expect(verified.answer.counts).toMatchObject({ verified: TENANTS.length, failed: 0 });
});

it("takes a planned offboarding for information, and the same done by hand for a finding", async () => {
  await run("offboard", "leaving", "--yes", "--wait");
  const planned = await run("verify", "leaving");
  expect(planned).toMatchObject({ exitCode: 0, findings: ["leaving key-pending-deletion-intended"] });
  const KeyId = await keyOf("drifted");
  await stage.root.kms.send(new DisableKeyCommand({ KeyId }));
  const looked = await run("verify", "drifted", "--no-record");
  expect(looked).toMatchObject({ exitCode: 2, findings: ["drifted key-disabled"] });
  expect((await run("findings", "--tenant", "drifted")).findings).toEqual([]);
});

it("records what it finds, and closes it when it is over", async () => {
  await run("verify", "drifted");
  expect((await run("findings", "--tenant", "drifted")).findings).toEqual(["drifted key-disabled"]);
  await stage.root.kms.send(new EnableKeyCommand({ KeyId: await keyOf("drifted") }));
  expect(await run("verify", "drifted")).toMatchObject({ exitCode: 0, findings: [] });
  const shown = await run("show", "drifted");
  expect(shown.findings).toEqual([]);
  expect(shown.answer.verifications[0]).toMatchObject({ keyName: "default", attributes: { nistState: "active" } });
  expect((await run("findings", "--tenant", "drifted", "--closed")).findings).toEqual(["drifted key-disabled"]);
});

it("says of a key whose policy can't be read that it couldn't tell, and verifies the others", async () => {
  const KeyId = await keyOf("hidden");
  const { Policy = "" } = await stage.root.kms.send(new GetKeyPolicyCommand({ KeyId, PolicyName: "default" }));
  const policy: { readonly Statement: { readonly Sid: string; Action: string[] }[] } = JSON.parse(Policy);
  for (const statement of policy.Statement) {
    if (statement.Sid !== "AuditByAuditor") continue;
    statement.Action = statement.Action.filter((action) => !/GetKeyPolicy|GetKeyRotationStatus/.test(action));
  }
  const hidden = JSON.stringify(policy);
  await stage.root.kms.send(new PutKeyPolicyCommand({ KeyId, PolicyName: "default", Policy: hidden }));
  const { exitCode, findings, answer } = await run("verify", "--all");
  expect(exitCode).toBe(3);
  expect(new Set(findings)).toEqual(new Set(["hidden could-not-verify", "leaving key-pending-deletion-intended"]));
  expect(answer.counts.verified).toBe(TENANTS.length);
});
