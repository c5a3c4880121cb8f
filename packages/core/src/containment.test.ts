import fc from "fast-check";
import { expect, test } from "vitest";
import { checkContainment, type KeyAudience } from "./containment.ts";
import { parseTenantId } from "./ids.ts";
import { USE_ACTIONS } from "./key-actions.ts";
import { admittedKeyPolicy, creationKeyPolicy, departingKeyPolicy, recoveryStatements } from "./key-policy.ts";
import { tenantRoleArn } from "./names.ts";
import type { PolicyStatement } from "./policy-document.ts";
import { tenantPrincipalArn } from "./stage-context.ts";
import { ACCOUNT_ID, ACME, exampleContext, exampleProfile } from "./test-support.ts";

const CONTEXT = exampleContext();
const ROLE = tenantRoleArn(ACCOUNT_ID, CONTEXT.stage, ACME);
const PROFILE = exampleProfile();
const OURS: KeyAudience = { context: CONTEXT, tenantId: ACME, profile: PROFILE, principalArn: ROLE };
const ADMITTED = admittedKeyPolicy(CONTEXT, ACME, PROFILE, ROLE);
const OWN_FORMS = [creationKeyPolicy(CONTEXT, PROFILE), departingKeyPolicy(CONTEXT, PROFILE), ADMITTED];
const PRINCIPALS: readonly string[] = [ROLE, CONTEXT.provisionerRoleArn, CONTEXT.auditorRoleArn];

/** Audiences of every kind: what may be done, under what, through whom, and in which role mode. */
const AUDIENCES = (["per-tenant", "session-tag"] as const).flatMap((roleMode) =>
  [
    {},
    { actions: "encrypt-only" as const },
    { actions: "decrypt-only" as const, strictEncryptionContext: true },
    { viaServices: ["s3", "dynamodb"], serviceGrants: true },
    { outsideAccounts: ["444455556666"], strictEncryptionContext: true },
    { keySpec: "HMAC_256" as const, outsideAccounts: ["444455556666", "777788889999"] },
    { keySpec: "ECC_NIST_P256" as const, administratorRoleArns: ["arn:aws:iam::111122223333:role/people/Bank"] },
    { replicaRegions: ["eu-central-1"], serviceGrants: true },
    { jobRoleArns: ["arn:aws:iam::111122223333:role/jobs/nightly"], strictEncryptionContext: true },
  ].map((changes): KeyAudience => {
    const context = exampleContext({ roleMode });
    return {
      context,
      tenantId: ACME,
      profile: exampleProfile(changes),
      principalArn: tenantPrincipalArn(context, ACME),
    };
  }),
);
const formsOf = ({ context, tenantId, profile, principalArn }: KeyAudience) => [
  creationKeyPolicy(context, profile),
  admittedKeyPolicy(context, tenantId, profile, principalArn),
  departingKeyPolicy(context, profile),
];

test("all forms of our own key policy are contained, for every profile, role mode and set of administrators", () => {
  const context = exampleContext({ administratorRoleArns: [] });
  for (const audience of [...AUDIENCES, { ...OURS, context }]) {
    for (const form of formsOf(audience)) expect(checkContainment(form, audience)).toEqual({ kind: "contained" });
  }
});

test("no admitted policy is contained for another tenant, or for a key of another tenant's in the same role", () => {
  const globex = parseTenantId("globex");
  for (const audience of AUDIENCES) {
    const [, admitted] = formsOf(audience);
    const other = { ...audience, tenantId: globex, principalArn: tenantPrincipalArn(audience.context, globex) };
    expect(checkContainment(admitted, other).kind).toBe("violated");
  }
});

test("a statement of use that hangs on a condition is violated without it, or with any part of it missing", () => {
  for (const audience of AUDIENCES) {
    const [, admitted] = formsOf(audience);
    for (const statement of admitted?.Statement ?? []) {
      if (statement.Effect === "Deny" || statement.Condition === undefined) continue;
      for (const weaker of weakerConditions(statement.Condition)) {
        const policy = { Version: "2012-10-17", Statement: [{ ...statement, Condition: weaker }] };
        expect(checkContainment(policy, audience), JSON.stringify(policy)).toMatchObject({ kind: "violated" });
      }
    }
  }
});

/** The condition with one comparison, one value or everything missing, and with another operator. */
function weakerConditions(condition: NonNullable<PolicyStatement["Condition"]>): readonly unknown[] {
  const comparisons = Object.entries(condition).flatMap(([operator, pairs]) =>
    Object.entries(pairs).map(([key, value]) => ({ operator, key, value })),
  );
  const build = (list: typeof comparisons) => {
    const built: Record<string, Record<string, unknown>> = {};
    for (const { operator, key, value } of list) built[operator] = { ...built[operator], [key]: value };
    return built;
  };
  return [
    undefined,
    {},
    ...comparisons.map((_, index) => build(comparisons.toSpliced(index, 1))),
    ...comparisons.map((one, index) => build(comparisons.with(index, { ...one, operator: `${one.operator}IfExists` }))),
    ...comparisons.map((one, index) => build(comparisons.with(index, { ...one, value: [one.value, "more"].flat() }))),
  ];
}

test("actions beyond the profile's are violated, also where another profile would have them", () => {
  for (const profile of [exampleProfile({ actions: "encrypt-only" }), exampleProfile({ keySpec: "HMAC_256" })]) {
    expect(checkContainment(ADMITTED, { ...OURS, profile })).toEqual({
      kind: "violated",
      violations: [{ statement: "UseByTenant", reason: `lets ${ROLE} do kms:Decrypt` }],
    });
  }
});

test("a policy that admits another tenant's role is violated for this tenant", () => {
  const globex = `${ROLE.slice(0, -4)}globex`;
  expect(checkContainment(ADMITTED, { ...OURS, principalArn: globex as typeof ROLE })).toEqual({
    kind: "violated",
    violations: [{ statement: "UseByTenant", reason: `lets in ${ROLE}` }],
  });
});

test("a recovery statement for other administrators than this stage's is violated", () => {
  const other = exampleContext({ administratorRoleArns: ["arn:aws:iam::111122223333:role/people/Intern"] });
  const policy = { Version: "2012-10-17", Statement: recoveryStatements(other, PROFILE) };
  expect(checkContainment(policy, OURS)).toMatchObject({
    kind: "violated",
    violations: [{ statement: "RecoverByAdministrators" }],
  });
});

test("every violation is reported, by Sid or by place", () => {
  const policy = { Statement: [{ Effect: "Allow" }, ...ADMITTED.Statement, { Sid: "Last", Effect: "Maybe" }] };
  expect(checkContainment(policy, OURS)).toEqual({
    kind: "violated",
    violations: [
      { statement: "#1", reason: "has a principal that isn't a list of AWS principals" },
      { statement: "Last", reason: "has an Effect that is neither Allow nor Deny" },
    ],
  });
});

test.each([undefined, null, "{}", 7, [], [ADMITTED]])("what isn't a policy document is violated: %j", (policy) => {
  expect(checkContainment(policy, OURS).kind).toBe("violated");
});

const strangers = fc
  .oneof(
    fc.constantFrom(
      "*",
      "111122223333",
      "arn:aws:iam::111122223333:root",
      "arn:aws:iam::444455556666:root",
      "AROAEXAMPLEROLEID1234",
      `${ROLE}-2`,
      ROLE.toUpperCase(),
      `${ROLE}*`,
    ),
    fc.string(),
  )
  .filter((name) => !PRINCIPALS.includes(name));

const own = fc.constantFrom(...PRINCIPALS);
const oneOrMany = (names: fc.Arbitrary<string>) => fc.oneof(names, fc.array(names, { minLength: 1, maxLength: 3 }));
const useActions = fc.subarray([...USE_ACTIONS], { minLength: 1 });
const wildcards = fc.constantFrom("*", "kms:*", "KMS:*", "kms:Decrypt*", "kms:?ecrypt", "kms:Re*", "*:Decrypt");

const strangersStatements = fc.oneof(
  fc.record({ Principal: fc.record({ AWS: oneOrMany(strangers) }), Action: useActions }),
  fc.record({
    Principal: fc.tuple(own, strangers).map((names) => ({ AWS: names })),
    Action: fc.constant("kms:DescribeKey"),
  }),
  fc.record({ Principal: fc.constant("*"), Action: useActions }),
  fc.record({ Principal: fc.record({ AWS: oneOrMany(own) }), Action: oneOrMany(wildcards) }),
  fc.record({ NotPrincipal: fc.record({ AWS: oneOrMany(own) }), Action: useActions }),
  fc.record({ Principal: fc.record({ AWS: own }), NotPrincipal: fc.record({ AWS: own }), Action: useActions }),
  fc.record({ Principal: fc.record({ AWS: own }), NotAction: oneOrMany(fc.string()) }),
  fc.record({ Principal: fc.record({ Federated: fc.string() }), Action: useActions }),
  fc.record({ Principal: fc.record({ Service: fc.string() }), Action: useActions }),
  fc.record({ Principal: fc.record({ AWS: own, Service: fc.string() }), Action: fc.constant("kms:DescribeKey") }),
);

const conditions = fc.option(
  fc.dictionary(
    fc.constantFrom("StringEquals", "ArnEquals", "Bool", "ForAllValues:StringEquals"),
    fc.dictionary(fc.constantFrom("aws:PrincipalArn", "aws:PrincipalType", "kms:ViaService"), fc.string()),
  ),
  { nil: undefined },
);

test("no policy is contained once a statement lets in a stranger, or names by a wildcard or by what it leaves out", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...OWN_FORMS),
      strangersStatements,
      conditions,
      fc.nat(6),
      (form, statement, condition, place) => {
        const added = { Sid: "Added", Effect: "Allow", Resource: "*", ...statement, Condition: condition };
        const policy: unknown = JSON.parse(
          JSON.stringify({ ...form, Statement: form.Statement.toSpliced(place, 0, added as never) }),
        );
        expect(checkContainment(policy, OURS)).toMatchObject({
          kind: "violated",
          violations: [{ statement: "Added" }],
        });
      },
    ),
    { numRuns: 500 },
  );
});

test("no recovery statement is contained with another action, condition or condition value", () => {
  const [recovery] = recoveryStatements(CONTEXT, PROFILE);
  if (recovery === undefined) throw new Error("the example has an administrator");
  const changes = fc.oneof(
    fc.string().map((action) => ({ Action: [...recovery.Action, action] })),
    fc
      .constantFrom("StringEquals", "ArnLike", "StringLike", "ArnEqualsIfExists", "ForAnyValue:ArnEquals")
      .map((operator) => ({
        Condition: { [operator]: recovery.Condition?.ArnEquals },
      })),
    fc.string().map((value) => ({ Condition: { ArnEquals: { "aws:PrincipalArn": value } } })),
    fc.constantFrom("aws:SourceArn", "aws:userid").map((key) => ({ Condition: { ArnEquals: { [key]: ROLE } } })),
    fc.constant({ Condition: undefined }),
    fc.constant({ Condition: {} }),
    fc.constant({ NotAction: "kms:Encrypt" }),
  );
  fc.assert(
    fc.property(changes, (change) => {
      const policy = { Statement: [{ ...recovery, ...change }] };
      expect(checkContainment(policy, OURS).kind).toBe("violated");
    }),
  );
});

test("what only narrows stays contained: denials of anybody, and conditions on the tenant's own statement", () => {
  const denials = fc.record({
    Effect: fc.constant("Deny"),
    Principal: fc.oneof(fc.constant("*"), fc.record({ AWS: fc.string() })),
    NotAction: fc.string(),
  });
  fc.assert(
    fc.property(fc.array(denials, { maxLength: 3 }), conditions, (denied, condition) => {
      const narrowed = ADMITTED.Statement.map((statement) =>
        statement.Sid === "UseByTenant" ? { ...statement, Condition: condition } : statement,
      );
      expect(checkContainment({ ...ADMITTED, Statement: [...denied, ...narrowed] }, OURS)).toEqual({
        kind: "contained",
      });
    }),
  );
});
