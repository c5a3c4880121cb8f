/** What the unit tests of this folder share: one stage, one tenant. Nothing that ships imports it. */
import { parseAccountId, parseKeyName, parseRegion, parseTenantId } from "./ids.ts";
import type { KeyProfile } from "./key-profile.ts";
import { type StageContext, stageContext } from "./stage-context.ts";
import { parseStageSettings, type StageSettingsInput } from "./stage-settings.ts";

export const ACCOUNT_ID = parseAccountId("111122223333");
export const REGION = parseRegion("eu-west-1");
export const ACME = parseTenantId("acme");
export const DEFAULT_KEY = parseKeyName("default");

export const SETTINGS_INPUT = {
  stage: "dev",
  applicationRoleArns: ["arn:aws:iam::111122223333:role/app/acme-web"],
  administratorRoleArns: ["arn:aws:iam::111122223333:role/people/SecurityAdmin"],
} as const;

/** The context of stage `dev` with one application role and one administrator role, or with what `changes` says. */
export function exampleContext(changes: Partial<StageSettingsInput> = {}): StageContext {
  const { stage, applicationRoleArns, administratorRoleArns } = SETTINGS_INPUT;
  const input = {
    stage,
    applicationRoleArns: [...applicationRoleArns],
    administratorRoleArns: [...administratorRoleArns],
  };
  return stageContext(parseStageSettings({ ...input, ...changes }), ACCOUNT_ID, REGION);
}

/** The profile with these fields, checked as a stage's is. */
export function exampleProfile(changes: NonNullable<StageSettingsInput["profiles"]>[string] = {}): KeyProfile {
  const { profiles } = parseStageSettings({
    stage: SETTINGS_INPUT.stage,
    applicationRoleArns: [...SETTINGS_INPUT.applicationRoleArns],
    profiles: { default: changes },
  });
  return profiles.default as KeyProfile;
}

/** ARNs as long as IAM makes them: a path of 512 characters and a name of 64. */
export function longRoleArns(count: number, length = 607): string[] {
  return Array.from({ length: count }, (_, index) => {
    const prefix = `arn:aws:iam::111122223333:role/${index}`;
    return prefix + "r".repeat(length - prefix.length);
  });
}

/** White space isn't counted by IAM's limits; `JSON.stringify` writes none outside strings. */
export function characters(document: unknown): number {
  return JSON.stringify(document).length;
}
