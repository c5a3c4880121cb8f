/** What the containment check says of the key policies in this folder. */
import { checkContainment } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { audienceOf, policyCaseFiles } from "./policy-cases.ts";

describe.each(policyCaseFiles)("$file", ({ cases }) => {
  test.each(cases)("$name: $expected", ({ given, policy, expected, violations }) => {
    const containment = checkContainment(policy, audienceOf(given));
    expect(containment).toEqual(expected === "contained" ? { kind: expected } : { kind: expected, violations });
  });
});

test("there are cases of both kinds, every case says all of its fields, and no name comes twice", () => {
  const cases = policyCaseFiles.flatMap((file) => file.cases);
  expect(new Set(cases.map((policyCase) => policyCase.expected))).toEqual(new Set(["contained", "violated"]));
  for (const policyCase of cases) {
    const fields = Object.keys(policyCase).filter((field) => field !== "given" && field !== "from");
    expect(fields).toEqual(["name", "policy", "expected", "violations"]);
    expect(policyCase.violations.length > 0).toBe(policyCase.expected === "violated");
    expect(policyCase.from ?? "https://docs.aws.amazon.com/").toMatch(/^https:\/\/docs\.aws\.amazon\.com\//);
  }
  expect(new Set(cases.map((policyCase) => policyCase.name)).size).toBe(cases.length);
});
