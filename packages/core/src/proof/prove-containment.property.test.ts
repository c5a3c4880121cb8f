/** Whatever is added to a key's policy: a pair is never called refused where a statement names its session's role. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkContainment } from "../containment.ts";
import type { TenantId } from "../ids.ts";
import { USE_ACTIONS } from "../key-actions.ts";
import { tenantRoleArn } from "../names.ts";
import { ACCOUNT_ID, exampleContext } from "../test-support.ts";
import { denied, read, STRANGER } from "../verification/test-support.ts";
import { pairVerdict, proveContainment } from "./prove-containment.ts";
import { desiredOf, first, provenTenant, tenantIds } from "./test-support.ts";

const CONTEXT = exampleContext();
const IDS = tenantIds(4);
const [OWNER, ...OTHERS] = IDS as [TenantId, ...TenantId[]];
const ROOT = `arn:aws:iam::${ACCOUNT_ID}:root`;
const OURS: readonly object[] = desiredOf(OWNER, {}).admittedPolicy.Statement;
const roleOf = (tenantId: TenantId) => tenantRoleArn(ACCOUNT_ID, CONTEXT.stage, tenantId);
const EVERYTHING = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "kms:*", Resource: "*" }] };

const principals = fc.constantFrom(
  ...IDS.map(roleOf),
  STRANGER,
  ROOT,
  "*",
  CONTEXT.provisionerRoleArn,
  CONTEXT.auditorRoleArn,
);
const actions = fc.constantFrom(...USE_ACTIONS, "kms:*", "*", "kms:CreateGrant", "kms:PutKeyPolicy");
const oneOrMore = <T>(one: fc.Arbitrary<T>) => fc.oneof(one, fc.array(one, { minLength: 1, maxLength: 3 }));
const statements = fc.record(
  {
    Sid: fc.string({ maxLength: 4 }),
    Effect: fc.constantFrom("Allow", "Allow", "Deny"),
    Principal: fc.oneof(fc.record({ AWS: oneOrMore(principals) }), fc.constant("*")),
    Action: oneOrMore(actions),
    Resource: fc.constant("*"),
    Condition: fc.constantFrom(
      { Bool: { "aws:SecureTransport": "true" } },
      { StringEquals: { "aws:PrincipalTag/tenant": OWNER } },
    ),
  },
  { requiredKeys: ["Effect", "Principal", "Action", "Resource"] },
);
const policies = fc.tuple(fc.array(statements, { maxLength: 4 }), fc.boolean()).map(([more, keepsOurs]) => ({
  Version: "2012-10-17",
  Statement: [...(keepsOurs ? OURS : []), ...more],
}));

const textsOf = (value: unknown) => (Array.isArray(value) ? value : [value]) as string[];
type Statement = { readonly Effect: string; readonly Principal: unknown };
const names = ({ Principal }: Statement) => (Principal === "*" ? ["*"] : textsOf((Principal as { AWS: unknown }).AWS));

/** Of the other tenants the first has a role with kms:* on every key. */
function prove(policy: unknown, key: object = {}) {
  const role = { inlinePolicies: { mistake: EVERYTHING } };
  return proveContainment(CONTEXT, [
    provenTenant(OWNER, { key: { policy: read(policy), ...key } }),
    ...OTHERS.map((id, index) => provenTenant(id, index === 0 ? { role } : {})),
  ]);
}

test("a pair is never called refused when an Allow of the key's policy names its session's role, anybody, or the account that lets it", () => {
  fc.assert(
    fc.property(policies, (policy) => {
      const key = first(prove(policy));
      const allows = (policy.Statement as Statement[]).filter(({ Effect }) => Effect === "Allow");
      OTHERS.forEach((id, index) => {
        const lets = (name: string) => name === roleOf(id) || name === "*" || (index === 0 && name === ROOT);
        if (allows.some((one) => !OURS.includes(one) && names(one).some(lets))) {
          expect(pairVerdict(key, id)).toBe("broken");
        }
      });
    }),
    { numRuns: 400 },
  );
});

test("a key is contained exactly where the containment check says so of its policy", () => {
  fc.assert(
    fc.property(policies, (policy) => {
      const { kind } = checkContainment(policy, desiredOf(OWNER, {}));
      expect(first(prove(policy)).verdict).toBe(kind === "contained" ? "contained" : "broken");
    }),
    { numRuns: 400 },
  );
});

test("what isn't read never makes a pair refused, and every pair is counted once", () => {
  const unread = fc.constantFrom({ policy: denied("kms:GetKeyPolicy") }, { grants: denied("kms:ListGrants") });
  fc.assert(
    fc.property(policies, unread, (policy, gap) => {
      const proof = prove(policy, gap);
      for (const id of OTHERS) expect(pairVerdict(first(proof), id)).not.toBe("refused");
      const { pairsRefused, pairsBroken, pairsNotProven, ownAllowed, ownShut, ownUnknown } = proof.counts;
      expect(pairsRefused + pairsBroken + pairsNotProven).toBe(IDS.length * OTHERS.length);
      expect(ownAllowed + ownShut + ownUnknown).toBe(IDS.length);
    }),
  );
});
