/** What outlives a stage, what is taken up again, and that removing a stage can't touch a tenant's key. */
import { ALARM_IDS } from "@tenantkeys/core";
import { PROJECT_ROOT } from "@tenantkeys/local";
import { beforeAll, describe, expect, test } from "vitest";
import { loadAppConfig } from "../../packages/local/src/deploy/app-config.ts";
import type { StackResource } from "../../packages/local/src/deploy/resource-provider.ts";
import { ACCOUNT_ID, REGION, type RecordedStage, recordStage } from "./recorded-stage.ts";

const KEPT = [
  "tenantkeys-dev-auditor",
  "tenantkeys-dev-canary-runner",
  "tenantkeys-dev-provisioner",
  "tenantkeys-dev-registry",
  "tenantkeys-dev-tenant-boundary",
];
const role = (name: string) => `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/${name}`;
const BOUNDARY_ARN = `arn:aws:iam::${ACCOUNT_ID}:policy/tenantkeys/tenantkeys-dev-tenant-boundary`;
const TABLE_ARN = `arn:aws:dynamodb:${REGION}:${ACCOUNT_ID}:table/tenantkeys-dev-registry`;
const KEPT_ROLES = ["provisioner", "auditor", "canary-runner"].map((name) => role(`tenantkeys-dev-${name}`));
const ALL_ARNS = [...KEPT_ROLES, BOUNDARY_ARN, TABLE_ARN];

const stages: Record<"dev" | "test" | "production", RecordedStage> = {} as never;
let again: RecordedStage;
let brokenOff: RecordedStage;
let besideOthers: RecordedStage;

beforeAll(async () => {
  [stages.dev, stages.test] = await Promise.all([recordStage(), recordStage({ stage: "test" })]);
  [stages.production, again] = await Promise.all([
    recordStage({ stage: "production" }),
    recordStage({ existingArns: ALL_ARNS }),
  ]);
  [brokenOff, besideOthers] = await Promise.all([
    recordStage({ existingArns: [role("tenantkeys-dev-provisioner"), BOUNDARY_ARN] }),
    recordStage({
      existingArns: ALL_ARNS.map((arn) => arn.replace("tenantkeys-dev-", "tenantkeys-dev2-")).concat(
        role("tenantkeys-dev-provisioner-old"),
        `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys-dev-provisioner`,
      ),
    }),
  ]);
});

const names = (resources: readonly StackResource[]) =>
  resources.map(({ inputs, name }) => String(inputs.name ?? name)).toSorted();
const adopted = (stage: RecordedStage) =>
  Object.fromEntries(
    stage.resources.flatMap(({ inputs, importId }) =>
      importId === undefined ? [] : [[String(inputs.name), importId]],
    ),
  );

describe.each(["dev", "test", "production"] as const)("stage %s", (name) => {
  test("manages no key and no alias: removing it can't delete a tenant's", () => {
    expect(stages[name].resources.filter(({ type }) => type.startsWith("aws:kms/"))).toEqual([]);
  });

  test("manages no tenant's role", () => {
    expect(names(stages[name].ofType("iam/role:Role"))).toEqual([
      `tenantkeys-${name}-auditor`,
      `tenantkeys-${name}-canary-caller`,
      `tenantkeys-${name}-canary-runner`,
      `tenantkeys-${name}-provisioner`,
      `tenantkeys-${name}-review-caller`,
      `tenantkeys-${name}-reviewer`,
      `tenantkeys-${name}-sweep-caller`,
      `tenantkeys-${name}-sweeper`,
      `tenantkeys-${name}-verifier`,
    ]);
  });

  test("keeps its registry, the roles that policies name and its boundary when it is removed, and nothing else", () => {
    const kept = stages[name].resources.filter(({ retainOnDelete }) => retainOnDelete);
    expect(names(kept)).toEqual(KEPT.map((kind) => kind.replace("-dev-", `-${name}-`)));
  });
});

describe("the registry", () => {
  test("can be restored to any second, and can't be deleted by a call", () => {
    expect(stages.dev.one("dynamodb/table:Table").inputs).toMatchObject({
      name: "tenantkeys-dev-registry",
      pointInTimeRecovery: { enabled: true },
      deletionProtectionEnabled: true,
      billingMode: "PAY_PER_REQUEST",
      hashKey: "pk",
      rangeKey: "sk",
    });
  });

  test("holds the settings that the stage was deployed with, for the command line", () => {
    const { tableName, item } = stages.dev.one("dynamodb/tableItem:TableItem").inputs;
    expect(tableName).toBe("tenantkeys-dev-registry");
    const { pk, sk, settings, accountId, region } = JSON.parse(String(item));
    expect([pk, sk, accountId, region]).toEqual([{ S: "STAGE" }, { S: "SETTINGS" }, { S: ACCOUNT_ID }, { S: REGION }]);
    expect(JSON.parse(settings.S)).toMatchObject({ stage: "dev", createKeyRatePerSecond: 5 });
  });
});

describe("a stage deployed again after its removal", () => {
  test("takes up what it had kept, each by what AWS knows it by", () => {
    expect(adopted(again)).toEqual({
      "tenantkeys-dev-provisioner": "tenantkeys-dev-provisioner",
      "tenantkeys-dev-auditor": "tenantkeys-dev-auditor",
      "tenantkeys-dev-canary-runner": "tenantkeys-dev-canary-runner",
      "tenantkeys-dev-registry": "tenantkeys-dev-registry",
      "tenantkeys-dev-tenant-boundary": BOUNDARY_ARN,
    });
  });

  test("declares the same resources as at first", () => {
    const declared = (stage: RecordedStage) =>
      stage.resources.map(({ type, inputs }) => JSON.stringify([type, inputs])).toSorted();
    expect(declared(again)).toEqual(declared(stages.dev));
  });
});

test("a stage whose first deployment broke off takes up what is there and makes the rest", () => {
  expect(adopted(brokenOff)).toEqual({
    "tenantkeys-dev-provisioner": "tenantkeys-dev-provisioner",
    "tenantkeys-dev-tenant-boundary": BOUNDARY_ARN,
  });
});

test("a stage whose tenants share a role keeps that role as well, and takes it up again", async () => {
  const settings = { roleMode: "session-tag" } as const;
  const shared = await recordStage({ settings, existingArns: [role("tenantkeys-dev-tenant"), ...ALL_ARNS] });
  expect(shared.one("iam/role:Role", "-dev-tenant")).toMatchObject({
    retainOnDelete: true,
    importId: "tenantkeys-dev-tenant",
  });
});

test("a new stage takes up nothing, whatever the account holds of others", () => {
  expect(adopted(stages.dev)).toEqual({});
  expect(adopted(besideOthers)).toEqual({});
});

describe("the names of what is made", () => {
  /** What users, policies and the command line look for. Code bundles and the like aren't among it. */
  const named = (stage: RecordedStage) =>
    names(stage.resources.filter(({ inputs }) => typeof inputs.name === "string"));

  test("are fixed: those that the documentation says", () => {
    const alarms = ALARM_IDS.map((id) => `tenantkeys-dev-${id}`);
    expect(named(stages.dev).filter((name) => !alarms.includes(name))).toEqual([
      "/aws/lambda/tenantkeys-dev-canary",
      "/aws/lambda/tenantkeys-dev-provision",
      "/aws/lambda/tenantkeys-dev-review",
      "/aws/lambda/tenantkeys-dev-sweep",
      "/aws/lambda/tenantkeys-dev-verify",
      "tenantkeys-dev",
      "tenantkeys-dev-alarms",
      "tenantkeys-dev-application",
      "tenantkeys-dev-archive",
      "tenantkeys-dev-auditor",
      "tenantkeys-dev-canary",
      "tenantkeys-dev-canary-caller",
      "tenantkeys-dev-canary-runner",
      "tenantkeys-dev-canary-schedule",
      "tenantkeys-dev-guard",
      "tenantkeys-dev-guard-dlq",
      "tenantkeys-dev-guard-events",
      "tenantkeys-dev-operator",
      "tenantkeys-dev-provision",
      "tenantkeys-dev-provisioner",
      "tenantkeys-dev-provisioning",
      "tenantkeys-dev-provisioning-dlq",
      "tenantkeys-dev-registry",
      "tenantkeys-dev-review",
      "tenantkeys-dev-review-caller",
      "tenantkeys-dev-review-schedule",
      "tenantkeys-dev-reviewer",
      "tenantkeys-dev-sign-ups",
      "tenantkeys-dev-sign-ups-dlq",
      "tenantkeys-dev-sweep",
      "tenantkeys-dev-sweep-caller",
      "tenantkeys-dev-sweep-schedule",
      "tenantkeys-dev-sweeper",
      "tenantkeys-dev-tenant-boundary",
      "tenantkeys-dev-verification",
      "tenantkeys-dev-verification-dlq",
      "tenantkeys-dev-verifier",
      "tenantkeys-dev-verify",
    ]);
  });

  test("differ between any two stages, so that stages share an account and nothing else", () => {
    const [dev, test, production] = [named(stages.dev), named(stages.test), named(stages.production)];
    expect(new Set([...dev, ...test, ...production]).size).toBe(dev.length + test.length + production.length);
    const text = JSON.stringify(stages.test.resources);
    expect(text).not.toContain("tenantkeys-dev");
    expect(text).not.toContain("tk-dev-");
  });
});

describe("sst.config.ts", () => {
  test("protects production and retains its data; other stages are removed", async () => {
    await expect(loadAppConfig(PROJECT_ROOT, "production")).resolves.toMatchObject({
      name: "tenantkeys",
      protect: true,
      removal: "retain",
    });
    for (const stage of ["dev", "staging", "local", "productionx"]) {
      await expect(loadAppConfig(PROJECT_ROOT, stage)).resolves.toMatchObject({ protect: false, removal: "remove" });
    }
  });

  test("pins the version of the AWS provider", async () => {
    const { providers } = await loadAppConfig(PROJECT_ROOT, "dev");
    expect(providers.aws?.version).toMatch(/^\d+\.\d+\.\d+$/);
  });
});
