import { parseTenantId, type StageSettingsInput, type StoredFinding, tenantRoleArn } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { ACME, CONTEXT, KEY_ARN, runOn } from "../test-support.ts";
import { CRITICAL, call, guard, MINUTE_MS, OTHER_KEY_ARN, sessionOf } from "./guard.test-support.ts";
import { closeQuietUse, QUIET_MS } from "./quiet-use.ts";

const roleOf = (tenantId: string) => tenantRoleArn(CONTEXT.accountId, CONTEXT.stage, parseTenantId(tenantId));
const TENANT = sessionOf(roleOf("acme"));
const OTHER_TENANT = sessionOf(roleOf("globex"));
const STRANGER = sessionOf("arn:aws:iam::111122223333:role/reports");

const use = (detail: object = {}) => call("Decrypt", { userIdentity: TENANT, ...detail });
const profile = (fields: NonNullable<StageSettingsInput["profiles"]>[string]) => ({ profiles: { default: fields } });

type Guard = Awaited<ReturnType<typeof guard>>;
const kinds = ({ ports }: Guard) => [...ports.findings.open.values()].map(({ resource }) => resource.split("#")[1]);

describe("a use of a tenant's key", () => {
  test("by its tenant is usual: nothing is written, counted or told", async () => {
    const stage = await guard();
    expect(await stage.take(use())).toMatchObject({ kind: "ignored", reason: "usual-use" });
    expect(stage.ports.findings.open.size).toBe(0);
    expect(stage.metrics).toEqual([]);
  });

  test("by a stranger is a critical finding, and rings", async () => {
    const stage = await guard();
    const outcome = await stage.take(use({ userIdentity: STRANGER }));
    expect(outcome).toMatchObject({ kind: "done", keys: [{ tenantId: "acme", opened: ["unusual-use"] }] });
    expect([...stage.ports.findings.open.values()]).toMatchObject([
      {
        ruleId: "unusual-use",
        severity: "critical",
        tenantId: "acme",
        keyName: "default",
        resource: `${KEY_ARN}#principal`,
      },
    ]);
    expect(stage.metrics).toEqual([{ [CRITICAL]: 1 }]);
  });

  test("that AWS refused to another tenant's role is found by the key in the refusal", async () => {
    const stage = await guard();
    const refused = {
      userIdentity: OTHER_TENANT,
      errorCode: "AccessDenied",
      errorMessage: `User: … is not authorized to perform: kms:Decrypt on resource: ${KEY_ARN} because …`,
      requestParameters: null,
      resources: null,
    };
    await stage.take(use(refused));
    expect(kinds(stage)).toEqual(["other-tenant-refused"]);
    expect(stage.metrics).toEqual([]);
  });

  test("from outside the profile's blocks is unusual, from inside and through AWS's services not", async () => {
    const stage = await guard(profile({ useSourceCidrs: ["10.0.0.0/8", "2001:db8::/32"] }));
    for (const sourceIPAddress of ["10.1.2.3", "2001:db8::7", "s3.amazonaws.com", "AWS Internal"]) {
      expect(await stage.take(use({ sourceIPAddress }))).toMatchObject({ kind: "ignored" });
    }
    await stage.take(use({ sourceIPAddress: "203.0.113.9" }));
    expect(kinds(stage)).toEqual(["address"]);
  });

  test("of a key that is no tenant's is ignored", async () => {
    const stage = await guard();
    const event = use({ resources: [{ ARN: OTHER_KEY_ARN }], userIdentity: STRANGER });
    expect(await stage.take(event)).toMatchObject({ kind: "ignored", reason: "no-tenants-key" });
  });

  test("of two keys is looked at for both", async () => {
    const stage = await guard();
    const globex = { ...stage.aws.tenantRecord(), tenantId: "globex", keyArn: OTHER_KEY_ARN };
    stage.aws.records.set("globex/default", globex as never);
    const resources = [{ ARN: KEY_ARN }, { ARN: OTHER_KEY_ARN }];
    await stage.take(call("ReEncrypt", { userIdentity: TENANT, resources }));
    expect([...stage.ports.findings.open.values()]).toMatchObject([
      { tenantId: "globex", resource: `${OTHER_KEY_ARN}#other-tenant` },
    ]);
  });
});

describe("a refused use of a key that AWS doesn't name", () => {
  const refused = { userIdentity: OTHER_TENANT, errorCode: "AccessDenied", requestParameters: null, resources: null };
  const withTenant = (stage: Guard, leaving: boolean) =>
    stage.aws.tenants.set("globex", {
      tenantId: parseTenantId("globex"),
      version: 1,
      leaving: leaving ? { value: true, generation: 2, eventId: "event-2", atMs: 2 } : undefined,
      updatedAtMs: 1,
    });

  test("is a finding about the tenant whose role it was", async () => {
    const stage = await guard();
    withTenant(stage, false);
    expect(await stage.take(use(refused))).toMatchObject({ keys: [{ tenantId: "globex", keyName: undefined }] });
    expect(kinds(stage)).toEqual(["refused"]);
  });

  test("is none of a tenant that leaves, or that the registry doesn't know", async () => {
    const stage = await guard();
    expect(await stage.take(use(refused))).toMatchObject({ kind: "ignored" });
    withTenant(stage, true);
    expect(await stage.take(use(refused))).toMatchObject({ kind: "ignored" });
  });
});

describe("how often a key is used", () => {
  test("more often in a minute than the profile says is unusual, whoever it was", async () => {
    const stage = await guard(profile({ usesPerMinuteMax: 2 }));
    for (const name of ["Decrypt", "Encrypt"]) await stage.take(call(name, { userIdentity: TENANT }));
    expect(kinds(stage)).toEqual([]);
    await stage.take(use());
    expect(kinds(stage)).toEqual(["frequency"]);
  });

  test("the next minute counts anew, by the time of the calls and not of their arrival", async () => {
    const stage = await guard(profile({ usesPerMinuteMax: 2 }));
    for (const eventTime of ["2026-01-01T00:00:59Z", "2026-01-01T00:01:00Z", "2026-01-01T00:00:58Z"]) {
      await stage.take(use({ eventTime }));
    }
    expect(kinds(stage)).toEqual([]);
  });

  test("is counted only where the profile has a number", async () => {
    const stage = await guard();
    const useCounter = {
      count: async () => {
        throw new Error("counted");
      },
    };
    await expect(stage.take(use(), 1, { useCounter })).resolves.toMatchObject({ kind: "ignored" });
  });
});

describe("what is remembered", () => {
  test("whose a key is, for a minute: many uses cost one look", async () => {
    const stage = await guard();
    const other = use({ resources: [{ ARN: OTHER_KEY_ARN }] });
    for (const event of [use(), use(), other, other]) await stage.take(event);
    expect(stage.lookedUp).toEqual([KEY_ARN, OTHER_KEY_ARN]);
    stage.clock.advance(MINUTE_MS);
    await stage.take(use());
    expect(stage.lookedUp).toHaveLength(3);
  });

  test("nothing counts against anybody from memory alone", async () => {
    const stage = await guard({ ...profile({}), roleMode: "session-tag" });
    const shared = sessionOf(stage.ports.context.sharedTenantRoleArn);
    await stage.take(use({ userIdentity: shared }));
    stage.aws.records.set("acme/default", { ...(stage.aws.tenantRecord() as object), state: "offboarding" } as never);
    await stage.take(use({ userIdentity: shared, errorCode: "AccessDenied" }));
    expect(kinds(stage)).toEqual([]);
  });

  test("a finding that was just recorded isn't written again, until a minute later", async () => {
    const stage = await guard();
    const strange = use({ userIdentity: STRANGER });
    for (let uses = 0; uses < 3; uses++) await stage.take(strange);
    expect(stage.ports.findings.records).toHaveLength(1);
    stage.clock.advance(MINUTE_MS);
    await stage.take(strange);
    expect(stage.ports.findings.records).toHaveLength(2);
  });

  test("one that couldn't be told is told the next time", async () => {
    const stage = await guard();
    const strange = use({ userIdentity: STRANGER });
    const putMetrics = async () => {
      throw new Error("no metrics for a test");
    };
    await expect(stage.take(strange, 1, { putMetrics })).rejects.toThrow("no metrics");
    await stage.take(strange, 2);
    expect(stage.metrics).toEqual([{ [CRITICAL]: 1 }]);
  });
});

describe("a finding of unusual use", () => {
  const close = (stage: Guard) =>
    closeQuietUse(stage.ports.findings, runOn(stage.clock), stage.ports.findings.listOpen(runOn(stage.clock)));

  test("stays open through a verification that doesn't judge it", async () => {
    const stage = await guard();
    await stage.take(use({ userIdentity: STRANGER }));
    await stage.take(call("TagResource"));
    expect(kinds(stage)).toEqual(["principal"]);
  });

  test("closes once its key has had none of any kind for a day", async () => {
    const stage = await guard();
    await stage.take(use({ userIdentity: STRANGER }));
    stage.clock.advance(QUIET_MS / 2);
    await stage.take(use({ userIdentity: OTHER_TENANT }));
    stage.clock.advance(QUIET_MS / 2);
    expect(await close(stage)).toBe(0);
    expect(kinds(stage)).toEqual(["principal", "other-tenant"]);
    stage.clock.advance(QUIET_MS / 2);
    expect(await close(stage)).toBe(2);
    expect(kinds(stage)).toEqual([]);
  });

  test("leaves other findings and other keys alone when it closes", async () => {
    const stage = await guard();
    await stage.take(use({ userIdentity: STRANGER }));
    stage.aws.answer("DisableKey", { KeyId: KEY_ARN } as never);
    await stage.take(call("DisableKey"));
    const kept: StoredFinding = {
      ...([...stage.ports.findings.open.values()][0] as StoredFinding),
      tenantId: parseTenantId("globex"),
      findingId: "globex",
      lastSeenAtMs: stage.clock.nowMs() + QUIET_MS,
    };
    stage.ports.findings.open.set("globex", kept);
    stage.clock.advance(QUIET_MS);
    await stage.take(call("TagResource"));
    expect(await close(stage)).toBe(1);
    expect([...stage.ports.findings.open.values()].map(({ tenantId, ruleId }) => [tenantId, ruleId])).toEqual([
      [ACME, "key-disabled"],
      ["globex", "unusual-use"],
    ]);
  });
});
