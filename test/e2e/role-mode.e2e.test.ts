/**
 * A stage that moves its tenants from a role each to one shared role, and back: deployed again with the other setting, it
 * plans the move like any other difference when a tenant's sign-up is sent again.
 */
import { GetRoleCommand } from "@aws-sdk/client-iam";
import { type LocalStage, startLocalStage } from "@tenantkeys/local";
import { afterAll, expect, it } from "vitest";
import { publish, tenantEnvelope, until, untilActive } from "../support/events.ts";
import { decrypt, encrypt } from "../support/life.ts";
import { assumeTagged, outcome, tenantSession } from "../support/sessions.ts";

const stages: LocalStage[] = [];

afterAll(async () => {
  // The first one's emulator is everybody's.
  for (const stage of stages.toReversed()) await stage.stop();
});

async function deploy(roleMode: "per-tenant" | "session-tag"): Promise<LocalStage> {
  const emulator = stages[0]?.emulator;
  const stage = await startLocalStage({ settings: { roleMode }, ...(emulator === undefined ? {} : { emulator }) });
  stages.push(stage);
  return stage;
}

async function signUp(stage: LocalStage, tenantId: string): Promise<string> {
  const event = tenantEnvelope("TenantSignedUp", { tenantId });
  await publish(stage, event);
  const { generation } = event.detail as { readonly generation: number };
  const record = await until(`${tenantId} to follow`, async () => {
    const read = await untilActive(stage, tenantId);
    return read.generation === generation && read;
  });
  return record.keyArn ?? "";
}

const ownRole = (stage: LocalStage, tenantId: string) =>
  outcome(stage.iam.send(new GetRoleCommand({ RoleName: `tk-${stage.settings.stage}-${tenantId}` })));
const sharedSession = (stage: LocalStage, tenant?: string) =>
  assumeTagged(stage, stage.context.sharedTenantRoleArn, tenant === undefined ? {} : { tenant });

it("moves tenants to the shared role and back, and what was encrypted stays readable", async () => {
  const before = await deploy("per-tenant");
  const [acme, globex] = [await signUp(before, "acme"), await signUp(before, "globex")];
  const secret = await encrypt(await tenantSession(before, "acme"), acme, "kept through both moves");

  const shared = await deploy("session-tag");
  expect([await signUp(shared, "acme"), await signUp(shared, "globex")]).toEqual([acme, globex]);
  const session = await sharedSession(shared, "acme");
  expect(await decrypt(session, acme, secret)).toBe("kept through both moves");
  expect(await outcome(encrypt(session, globex, "x"))).toBe("AccessDeniedException");
  expect(await outcome(sharedSession(shared))).toBe("AccessDenied");
  expect(await ownRole(shared, "acme")).toMatch(/^NoSuchEntity/);

  const after = await deploy("per-tenant");
  await signUp(after, "acme");
  expect(await decrypt(await tenantSession(after, "acme"), acme, secret)).toBe("kept through both moves");
  expect(await outcome(tenantSession(after, "globex"))).toMatch(/AccessDenied|NoSuchEntity/);
  expect(await ownRole(after, "acme")).toBe("worked");
}, 240_000);
