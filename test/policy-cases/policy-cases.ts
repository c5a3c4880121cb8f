/**
 * Key policies as data, each named by a sentence, and what the containment check must say of it. The cases belong to
 * tenant `acme` of stage `dev` in account 111122223333, under the default profile unless `given` says another; they're
 * written out by hand, so that no builder of ours can make a case agree with a mistake in it. To add one, add an object
 * to the file whose question it answers. test/oracle puts them to an engine that isn't ours as well.
 */
import { readdirSync, readFileSync } from "node:fs";
import {
  type KeyAudience,
  type KeyProfile,
  parseAccountId,
  parseRegion,
  parseStageSettings,
  parseTenantId,
  type StageSettingsInput,
  stageContext,
  tenantPrincipalArn,
} from "@tenantkeys/core";

type ProfileInput = NonNullable<StageSettingsInput["profiles"]>[string];

export interface PolicyCase {
  readonly name: string;
  /** The page of AWS's documentation that shows such a policy, or explains what it comes to. */
  readonly from?: string;
  /** What differs from the default profile and from one role per tenant. */
  readonly given?: { readonly roleMode?: "session-tag"; readonly profile?: ProfileInput };
  readonly policy: unknown;
  readonly expected: "contained" | "violated";
  /** All violations, in order: nothing else of the policy may be at fault. */
  readonly violations: readonly { readonly statement: string; readonly reason: string }[];
}

export function audienceOf({ roleMode, profile = {} }: NonNullable<PolicyCase["given"]> = {}): KeyAudience {
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
    context,
    tenantId,
    profile: settings.profiles.default as KeyProfile,
    principalArn: tenantPrincipalArn(context, tenantId),
  };
}

export const policyCaseFiles: readonly { readonly file: string; readonly cases: readonly PolicyCase[] }[] = readdirSync(
  import.meta.dirname,
)
  .filter((file) => file.endsWith(".json"))
  .sort()
  .map((file) => ({ file, cases: readCases(file) }));

function readCases(file: string): readonly PolicyCase[] {
  const cases: unknown = JSON.parse(readFileSync(`${import.meta.dirname}/${file}`, "utf8"));
  if (!Array.isArray(cases)) throw new Error(`${file} isn't a list of cases`);
  return cases as readonly PolicyCase[];
}
