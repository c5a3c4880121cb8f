import { expect, test } from "vitest";
import { desiredTenantKey } from "../desired-state.ts";
import { ACME, DEFAULT_KEY, exampleContext, exampleProfile } from "../test-support.ts";
import { admitsAlready } from "./narrowing.ts";

const DESIRED = desiredTenantKey(exampleContext(), ACME, DEFAULT_KEY, exampleProfile());
const SHARED = desiredTenantKey(exampleContext({ roleMode: "session-tag" }), ACME, DEFAULT_KEY, exampleProfile());
const OUTSIDE = desiredTenantKey(
  exampleContext(),
  ACME,
  DEFAULT_KEY,
  exampleProfile({ outsideAccounts: ["444455556666"] }),
);
const STRANGER = { Sid: "X", Effect: "Allow", Principal: "*", Action: "kms:*", Resource: "*" };
const DENIAL = { Sid: "Stop", Effect: "Deny", Principal: "*", Action: "kms:Decrypt", Resource: "*" };

const withStatements = (...more: object[]) => ({
  ...DESIRED.admittedPolicy,
  Statement: [...DESIRED.admittedPolicy.Statement, ...more],
});
const changed = (sid: string, change: object) => ({
  ...DESIRED.admittedPolicy,
  Statement: DESIRED.admittedPolicy.Statement.map((one) => (one.Sid === sid ? { ...one, ...change } : one)),
});

test.each<[string, unknown, boolean]>([
  ["the intended policy", DESIRED.admittedPolicy, true],
  ["one that lets in a stranger as well", withStatements(STRANGER), true],
  [
    "one whose statement of use names a stranger as well",
    changed("UseByTenant", { Principal: { AWS: [DESIRED.role.arn, "*"] } }),
    true,
  ],
  ["one that lost its auditor", changed("AuditByAuditor", { Action: "kms:DescribeKey" }), true],
  ["one without the tenant", DESIRED.departingPolicy, false],
  ["one that names a role that is gone", changed("UseByTenant", { Principal: { AWS: "AROAEXAMPLEID" } }), false],
  ["one that lets the tenant do less", changed("UseByTenant", { Action: ["kms:Decrypt"] }), false],
  [
    "one with a condition more",
    changed("UseByTenant", { Condition: { Bool: { "aws:SecureTransport": "true" } } }),
    false,
  ],
  ["one for another resource", changed("UseByTenant", { Resource: "arn:aws:kms:eu-west-1:1:key/2" }), false],
  ["one with a denial more", withStatements(DENIAL), false],
  ["no policy", undefined, false],
  ["a text", "{", false],
])("%s lets its tenant in already: %s", (_, policy, expected) => {
  expect(admitsAlready(policy, DESIRED)).toBe(expected);
});

test("of a shared role the condition counts, and of outside accounts each", () => {
  expect(admitsAlready(SHARED.admittedPolicy, SHARED)).toBe(true);
  const other = JSON.parse(JSON.stringify(SHARED.admittedPolicy).replaceAll('"acme"', '"globex"'));
  expect(admitsAlready(other, SHARED)).toBe(false);
  expect(admitsAlready(OUTSIDE.admittedPolicy, OUTSIDE)).toBe(true);
  expect(admitsAlready(DESIRED.admittedPolicy, OUTSIDE)).toBe(false);
});
