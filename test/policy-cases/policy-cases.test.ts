/**
 * Key policies as data, each named by a sentence, and what the containment check must say of it. The cases belong to
 * tenant `acme` of stage `dev` in account 111122223333, under the default profile unless `given` says another; they're
 * written out by hand, so that no builder of ours can make a case agree with a mistake in it. To add one, add an object
 * to the file whose question it answers.
 */
import { readdirSync, readFileSync } from "node:fs";
import {
  checkContainment,
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
import { describe, expect, test } from "vitest";

type ProfileInput = NonNullable<StageSettingsInput["profiles"]>[string];

interface PolicyCase {
  readonly name: string;
  /** What differs from the default profile and from one role per tenant. */
  readonly given?: { readonly roleMode?: "session-tag"; readonly profile?: ProfileInput };
  readonly policy: unknown;
  readonly expected: "contained" | "violated";
  /** All violations, in order: nothing else of the policy may be at fault. */
  readonly violations: readonly { readonly statement: string; readonly reason: string }[];
}

function audienceOf({ roleMode, profile = {} }: NonNullable<PolicyCase["given"]> = {}): KeyAudience {
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

const files = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".json"))
  .sort()
  .map((file) => ({ file, cases: readCases(file) }));

function readCases(file: string): readonly PolicyCase[] {
  const cases: unknown = JSON.parse(readFileSync(`${import.meta.dirname}/${file}`, "utf8"));
  if (!Array.isArray(cases)) throw new Error(`${file} isn't a list of cases`);
  return cases as readonly PolicyCase[];
}

describe.each(files)("$file", ({ cases }) => {
  test.each(cases)("$name: $expected", ({ given, policy, expected, violations }) => {
    const containment = checkContainment(policy, audienceOf(given));
    expect(containment).toEqual(expected === "contained" ? { kind: expected } : { kind: expected, violations });
  });
});

test("there are cases of both kinds, every case says all of its fields, and no name comes twice", () => {
  const cases = files.flatMap((file) => file.cases);
  expect(new Set(cases.map((policyCase) => policyCase.expected))).toEqual(new Set(["contained", "violated"]));
  for (const policyCase of cases) {
    const fields = Object.keys(policyCase).filter((field) => field !== "given");
    expect(fields).toEqual(["name", "policy", "expected", "violations"]);
    expect(policyCase.violations.length > 0).toBe(policyCase.expected === "violated");
  }
  expect(new Set(cases.map((policyCase) => policyCase.name)).size).toBe(cases.length);
});
