/** Tenant `acme` of stage `dev` under every kind of key profile, in both role modes: whose policies are put to the test. */
import {
  admittedKeyPolicy,
  creationKeyPolicy,
  departingKeyPolicy,
  type KeyAudience,
  type KeyProfile,
  type PolicyDocument,
  parseAccountId,
  parseRegion,
  parseStageSettings,
  parseTenantId,
  type RoleMode,
  type StageSettings,
  type StageSettingsInput,
  stageContext,
  tenantPrincipalArn,
} from "@tenantkeys/core";

import { JOB_ROLE } from "./requests.ts";

type ProfileInput = NonNullable<StageSettingsInput["profiles"]>[string];

/** Each answers another question; together they use every field that a key policy depends on. */
const PROFILES: Readonly<Record<string, ProfileInput>> = {
  default: {},
  "encrypt-only": { actions: "encrypt-only" },
  "decrypt-only": { actions: "decrypt-only" },
  "strict context": { strictEncryptionContext: true },
  services: { viaServices: ["s3", "dynamodb"] },
  "strict context and services": { strictEncryptionContext: true, viaServices: ["s3"] },
  "grants for services": { serviceGrants: true },
  "grants for some services": { serviceGrants: true, viaServices: ["ec2", "rds"] },
  "outside account": { outsideAccounts: ["444455556666"] },
  "outside accounts under a strict context": {
    outsideAccounts: ["444455556666", "777788889999"],
    strictEncryptionContext: true,
  },
  "administrators of its own": { administratorRoleArns: ["arn:aws:iam::111122223333:role/people/Bank"] },
  HMAC: { keySpec: "HMAC_256" },
  signing: { keySpec: "ECC_NIST_P256", deletionWindowDays: 7 },
  replicas: { replicaRegions: ["eu-central-1"], viaServices: ["s3"], serviceGrants: true },
  jobs: { jobRoleArns: [JOB_ROLE] },
  "jobs that only decrypt": {
    jobRoleArns: [JOB_ROLE, "arn:aws:iam::111122223333:role/jobs/weekly"],
    actions: "decrypt-only",
    strictEncryptionContext: true,
  },
  "jobs and grants for services": { jobRoleArns: [JOB_ROLE], serviceGrants: true },
  "imported material": { origin: "EXTERNAL" },
};

export const ROLE_MODES = ["per-tenant", "session-tag"] as const satisfies readonly RoleMode[];
export const FORMS = ["creation", "admitted", "departing"] as const;
export type Form = (typeof FORMS)[number];

export interface NamedAudience extends KeyAudience {
  readonly name: string;
  readonly settings: StageSettings;
}

export function audiencesOf(roleMode: RoleMode): readonly NamedAudience[] {
  return Object.entries(PROFILES).map(([name, profile]) => audience(roleMode, name, profile));
}

function audience(roleMode: RoleMode, name: string, profile: ProfileInput): NamedAudience {
  const settings = parseStageSettings({
    stage: "dev",
    applicationRoleArns: ["arn:aws:iam::111122223333:role/app/web"],
    administratorRoleArns: ["arn:aws:iam::111122223333:role/people/SecurityAdmin"],
    roleMode,
    profiles: { default: profile },
  });
  const context = stageContext(settings, parseAccountId("111122223333"), parseRegion("eu-west-1"));
  const tenantId = parseTenantId("acme");
  return {
    name: `${name}, ${roleMode}`,
    settings,
    context,
    tenantId,
    profile: settings.profiles.default as KeyProfile,
    principalArn: tenantPrincipalArn(context, tenantId),
  };
}

export function policyOf(form: Form, { context, tenantId, profile, principalArn }: KeyAudience): PolicyDocument {
  switch (form) {
    case "creation":
      return creationKeyPolicy(context, profile);
    case "admitted":
      return admittedKeyPolicy(context, tenantId, profile, principalArn);
    case "departing":
      return departingKeyPolicy(context, profile);
  }
}
