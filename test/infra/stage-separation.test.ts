/**
 * Two stages in one account share nothing: what the roles of stage `dev` may do reaches no key, role, table or queue of
 * stage `production`. Shown from the documents that both deploy; test/e2e/stage-separation.e2e.test.ts tries it.
 */
import {
  desiredTenantKey,
  type KeyProfile,
  type PolicyDocument,
  parseAccountId,
  parseKeyName,
  parseRegion,
  parseStageSettings,
  parseTenantId,
  type StageContext,
  stageContext,
} from "@tenantkeys/core";
import { beforeAll, describe, expect, test } from "vitest";
import { ACCOUNT_ID, asList, REGION, type RecordedStage, recordStage } from "./recorded-stage.ts";

const role = (name: string) => `arn:aws:iam::${ACCOUNT_ID}:role/${name}`;
const OWN_SETTINGS = {
  dev: { applicationRoleArns: [role("dev-app")], administratorRoleArns: [role("dev-on-call")] },
  production: { applicationRoleArns: [role("app")], administratorRoleArns: [role("on-call")] },
};
const PRODUCTION_KEY = `arn:aws:kms:${REGION}:${ACCOUNT_ID}:key/0d4f1f0e-4a3c-4f64-9c0e-3c1c6a4a9d11`;
const PRODUCTION_ARNS = [
  role("tenantkeys/production/tk-production-acme"),
  `arn:aws:kms:${REGION}:${ACCOUNT_ID}:alias/tenantkeys/production/acme/default`,
];

/** What IAM lets roles of `dev` ask of any key, and why KMS still refuses it on a production key: see the last test. */
const ASKED_OF_ANY_KEY = [
  "MoveOurNamesOffAnyKey",
  "TagKeysOfThisStageWhenMade",
  "TellKeysThatAreGone",
  "UseKeysAtMost",
];
/** A key, or a list, that isn't there yet has no ARN, and a metric or a document that is checked never has; a boundary grants nothing. */
const WITHOUT_A_RESOURCE = [
  "MakeKeysOfThisStage",
  "FindKeysByTag",
  "ListAliases",
  "ListRolesInBulk",
  "PutTheStagesMetrics",
  "TouchDataAtMost",
  "ValidatePolicies",
];

let dev: RecordedStage;
let production: RecordedStage;

beforeAll(async () => {
  [dev, production] = await Promise.all([
    recordStage({ stage: "dev", settings: { ...OWN_SETTINGS.dev, roleMode: "session-tag" } }),
    recordStage({ stage: "production", settings: { ...OWN_SETTINGS.production, roleMode: "session-tag" } }),
  ]);
});

const matches = (pattern: string, arn: string) =>
  new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`).test(arn);

/** The Sids of the statements of `dev` that allow something on one of these. */
function reaching(arns: readonly string[]): readonly string[] {
  const statements = [...dev.documents().values()].flatMap(({ Statement }) => Statement);
  const found = statements.filter(
    ({ Effect, Resource }) =>
      Effect === "Allow" && asList(Resource).some((pattern) => arns.some((arn) => matches(pattern, arn))),
  );
  return [...new Set(found.map(({ Sid }) => Sid))].toSorted();
}

describe("the roles of stage dev", () => {
  test("are allowed nothing on any resource of stage production but what has no resource", () => {
    const deployed = production.resources.flatMap(({ arn }) => (typeof arn === "string" && arn !== "" ? [arn] : []));
    expect(deployed.filter((arn) => arn.includes("tenantkeys-production")).length).toBeGreaterThan(8);
    expect(reaching([...deployed, ...PRODUCTION_ARNS])).toEqual(WITHOUT_A_RESOURCE.toSorted());
  });

  test("are allowed nothing on a key but what its own policy would have to allow as well", () => {
    expect(reaching([PRODUCTION_KEY])).toEqual([...ASKED_OF_ANY_KEY, ...WITHOUT_A_RESOURCE].toSorted());
  });

  test("make and tag keys of their own stage only", () => {
    const statements = dev.statements("tenantkeys-dev-provisioner inline provisioner");
    for (const sid of ["MakeKeysOfThisStage", "TagKeysOfThisStageWhenMade"]) {
      const condition = statements.find(({ Sid }) => Sid === sid)?.Condition;
      expect(condition?.StringEquals).toEqual({ "aws:RequestTag/tenantkeys:stage": "dev" });
    }
  });

  test("put metrics into the namespace of their own stage only", () => {
    for (const who of ["sweeper", "verifier"]) {
      const statement = dev
        .statements(`tenantkeys-dev-${who} inline ${who}`)
        .find(({ Sid }) => Sid === "PutTheStagesMetrics");
      expect(statement?.Condition).toEqual({ StringEquals: { "cloudwatch:namespace": "tenantkeys/dev" } });
    }
  });

  test("are trusted by no role of stage production", () => {
    for (const [name, { Statement }] of production.documents()) {
      const principals = Statement.flatMap(({ Principal }) => Object.values(Principal ?? {}).flatMap(asList));
      expect(
        principals.filter((principal) => principal.includes("dev")),
        name,
      ).toEqual([]);
    }
  });
});

function contextOf(stage: "dev" | "production", roleMode: "per-tenant" | "session-tag", profile: object) {
  const settings = parseStageSettings({ stage, ...OWN_SETTINGS[stage], roleMode, profiles: { default: profile } });
  const context = stageContext(settings, parseAccountId(ACCOUNT_ID), parseRegion(REGION));
  return { context, profile: settings.profiles.default as KeyProfile };
}

const KINDS = (["per-tenant", "session-tag"] as const).flatMap((roleMode) =>
  [{}, { strictEncryptionContext: true }, { serviceGrants: true, viaServices: ["s3"] }].map((profile) => ({
    roleMode,
    profile,
  })),
);

describe.each(KINDS)(
  "a production key of a stage with $roleMode roles and profile $profile",
  ({ roleMode, profile }) => {
    const own = contextOf("production", roleMode, profile);
    const key = desiredTenantKey(own.context, parseTenantId("acme"), parseKeyName("default"), own.profile);
    const forms: readonly PolicyDocument[] = [key.creationPolicy, key.admittedPolicy, key.departingPolicy];

    test("lets in production's own roles and no other by name", () => {
      const { provisionerRoleArn, auditorRoleArn } = own.context;
      const named = forms.flatMap((form) =>
        form.Statement.filter(({ Effect }) => Effect === "Allow").flatMap(({ Principal }) =>
          asList((Principal as { AWS: string }).AWS),
        ),
      );
      const account = `arn:aws:iam::${ACCOUNT_ID}:root`;
      expect([...new Set(named)].toSorted()).toEqual(
        [account, auditorRoleArn, key.principalArn, provisionerRoleArn].toSorted(),
      );
      expect(devRoles(contextOf("dev", roleMode, profile).context).filter((arn) => named.includes(arn))).toEqual([]);
    });

    test("turns to IAM for production's administrators and the root user only, so that IAM gives nobody else anything", () => {
      const toAccount = forms.flatMap(({ Statement }) =>
        Statement.filter(
          ({ Effect, Principal }) => Effect === "Allow" && JSON.stringify(Principal ?? {}).includes(":root"),
        ),
      );
      const conditions = new Set(toAccount.map(({ Condition }) => JSON.stringify(Condition)));
      expect([...conditions].toSorted()).toEqual([
        JSON.stringify({ ArnEquals: { "aws:PrincipalArn": OWN_SETTINGS.production.administratorRoleArns } }),
        JSON.stringify({ StringEquals: { "aws:PrincipalType": "Account" } }),
      ]);
    });
  },
);

function devRoles(context: StageContext): readonly string[] {
  const { provisionerRoleArn, auditorRoleArn, sharedTenantRoleArn, applicationRoleArns } = context;
  return [provisionerRoleArn, auditorRoleArn, sharedTenantRoleArn, ...applicationRoleArns];
}
