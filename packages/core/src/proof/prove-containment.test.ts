import { describe, expect, test } from "vitest";
import { parseKeyArn, parseRegion, type Region, type TenantId } from "../ids.ts";
import { jobGrantName, tenantRoleArn } from "../names.ts";
import { ACCOUNT_ID, exampleContext, exampleProfile } from "../test-support.ts";
import type { ObservedGrant } from "../verification/inspection.ts";
import { DEAD_ID, denied, NOW_MS, type PresentKey, read, SKIPPED, STRANGER } from "../verification/test-support.ts";
import type { KeyPart } from "./proof.ts";
import { breachesFor, pairVerdict, proveContainment } from "./prove-containment.ts";
import { desiredOf, first, keyArnOf, provenTenant, type TenantChanges, tenantIds } from "./test-support.ts";

const PER_TENANT = exampleContext();
const SHARED = exampleContext({ roleMode: "session-tag" });
const [A, B, C] = tenantIds(3) as [TenantId, TenantId, TenantId];
const ROOT = `arn:aws:iam::${ACCOUNT_ID}:root`;
const roleOf = (tenantId: TenantId) => tenantRoleArn(ACCOUNT_ID, PER_TENANT.stage, tenantId);
const allow = (AWS: unknown, changes: object = {}) => ({
  Sid: "Added",
  Effect: "Allow",
  Principal: { AWS },
  Action: "kms:Decrypt",
  Resource: "*",
  ...changes,
});

/** The first of three tenants is changed, and the others too where it is said. */
function prove(changes: TenantChanges = {}, others: TenantChanges = {}) {
  const { context = PER_TENANT } = changes;
  const tenants = [provenTenant(A, changes), ...[B, C].map((id) => provenTenant(id, { context, ...others }))];
  return proveContainment(context, tenants);
}

const EVERYTHING = {
  policyNames: ["mistake"],
  inlinePolicies: { mistake: doc({ Effect: "Allow", Action: "kms:*", Resource: "*" }) },
};

function doc(...Statement: object[]) {
  return { Version: "2012-10-17", Statement };
}

describe.each([
  ["per-tenant", PER_TENANT],
  ["session-tag", SHARED],
] as const)("in role mode %s", (_, context) => {
  test("every pair of 50 tenants in order is refused, and every tenant's own is allowed", () => {
    const proof = proveContainment(
      context,
      tenantIds(50).map((id) => provenTenant(id, { context })),
    );
    expect(proof.counts).toEqual({
      tenants: 50,
      keys: 50,
      pairsRefused: 2450,
      pairsBroken: 0,
      pairsNotProven: 0,
      ownAllowed: 50,
      ownShut: 0,
      ownUnknown: 0,
    });
    expect(proof.remarks).toEqual([]);
    expect(new Set(proof.keys.map(({ verdict }) => verdict))).toEqual(new Set(["contained"]));
  });

  test.each(["*", { AWS: "*" }, { AWS: [STRANGER, "*"] }])(
    "a key whose policy lets in %j is open to every tenant",
    (Principal) => {
      const proof = prove({ context, statements: [{ ...allow(ROOT), Principal }] });
      expect(first(proof)).toMatchObject({
        verdict: "broken",
        openTo: [B, C],
        breaches: [{ statement: "Added", letsIn: ["anybody"] }],
      });
      expect(proof.counts).toMatchObject({ pairsRefused: 4, pairsBroken: 2 });
    },
  );

  test("a policy that isn't read proves nothing, whatever the state of its key", () => {
    const proof = prove({ context, key: { policy: denied("kms:GetKeyPolicy") } });
    expect(first(proof)).toMatchObject({
      verdict: "not-proven",
      unproven: ["kms:GetKeyPolicy denied: AccessDeniedException"],
    });
    expect(proof.counts).toMatchObject({ pairsRefused: 4, pairsNotProven: 2, ownUnknown: 1 });
  });
});

describe("a statement that leaves the key to the account's IAM", () => {
  test.each([ROOT, ACCOUNT_ID])(
    "breaks the key, and no pair where the roles' own policies leave it out: %s",
    (account) => {
      const proof = prove({ statements: [allow(account, { Action: "kms:*" })] });
      expect(first(proof)).toMatchObject({
        verdict: "broken",
        openTo: [],
        breaches: [
          {
            kind: "key-policy",
            resource: keyArnOf(A),
            statement: "Added",
            document: allow(account, { Action: "kms:*" }),
            letsIn: [`every role and user of account ${ACCOUNT_ID} whose own policies allow it`],
          },
        ],
      });
      expect(proof.counts).toMatchObject({ pairsRefused: 6, pairsBroken: 0 });
    },
  );

  const reaching = (statement: object) => ({ inlinePolicies: { more: doc({ Effect: "Allow", ...statement }) } });
  test.each([
    ["allow kms:* on *", EVERYTHING],
    ["allow every action", reaching({ Action: "*", Resource: "*" })],
    ["allow a pattern of actions", reaching({ Action: "k?s:Dec*", Resource: `arn:aws:kms:*:*:key/of-${A}` })],
    [
      "allow under a condition",
      reaching({ Action: "kms:Decrypt", Resource: "*", Condition: { Bool: { "a:b": "true" } } }),
    ],
    ["say what they leave out", reaching({ NotAction: "iam:*", Resource: "*" })],
    ["say which resources they leave out", reaching({ Action: "kms:Decrypt", NotResource: "arn:aws:s3:::b" })],
    [
      "use a policy variable",
      reaching({ Action: "kms:Decrypt", Resource: `arn:aws:kms:*:*:key/\${aws:PrincipalTag/key}` }),
    ],
    [
      "say both what they mean and what they leave out",
      reaching({ Action: "s3:GetObject", NotAction: "iam:*", Resource: "*" }),
    ],
    ["leave out a resource beside one", reaching({ Action: "kms:Decrypt", Resource: "a", NotResource: "b" })],
    ["aren't JSON", { inlinePolicies: { more: "{" } }],
    ["are named and weren't read", { policyNames: ["more"] }],
    ["are attached", { attachedPolicyArns: ["arn:aws:iam::111122223333:policy/data"] }],
  ])("breaks every pair whose role's policies %s", (_, role) => {
    const proof = prove({ statements: [allow(ROOT)] }, { role });
    expect(first(proof).openTo).toEqual([B, C]);
  });

  test("breaks the pairs of roles that weren't read, and none of roles that aren't there", () => {
    const opened = provenTenant(A, { statements: [allow(ROOT)] });
    const others = [
      provenTenant(B, { tenant: { role: denied("iam:GetRole") } }),
      provenTenant(C, { tenant: { role: read(undefined) } }),
    ];
    expect(first(proveContainment(PER_TENANT, [opened, ...others])).openTo).toEqual([B]);
  });
});

describe("a statement that names somebody", () => {
  test.each([
    ["another tenant's role", roleOf(B), [B]],
    ["a session of another tenant's role", `arn:aws:sts::${ACCOUNT_ID}:assumed-role/tk-dev-${B}/a-session`, [B]],
    ["a stranger of the account", STRANGER, []],
    ["another account", "arn:aws:iam::999988887777:root", []],
  ])("breaks the pair of %s", (_, principal, openTo) => {
    const proof = prove({ statements: [allow(principal)] }, { role: EVERYTHING });
    expect(first(proof)).toMatchObject({ verdict: "broken", openTo });
    expect(pairVerdict(first(proof), B)).toBe(openTo.length > 0 ? "broken" : "refused");
    expect(breachesFor(proof, B, keyArnOf(A))).toHaveLength(openTo.length);
  });

  test("beside the tenant's own role tells only the other", () => {
    const breachOf = (statement: object) => first(prove({ statements: [statement] })).breaches[0];
    expect(breachOf(allow([roleOf(A), roleOf(B)]))).toMatchObject({ letsIn: [roleOf(B)] });
    expect(breachOf(allow(roleOf(A), { Action: "kms:PutKeyPolicy" }))).toMatchObject({
      letsIn: [roleOf(A)],
      tenants: [],
    });
  });

  test("that is gone lets nobody in", () => {
    expect(first(prove({ statements: [allow(DEAD_ID)] })).verdict).toBe("contained");
  });

  test.each([
    ["what it leaves out", { Principal: undefined, NotPrincipal: { AWS: ROOT } }],
    ["what it leaves out, beside a stranger", { Principal: { AWS: STRANGER }, NotPrincipal: { AWS: ROOT } }],
    ["nobody", { Principal: undefined }],
    ["somebody of an unknown kind", { Principal: { Club: "members" } }],
    ["something that is no text", { Principal: { AWS: [7] } }],
    ["a pattern", { Principal: { AWS: `arn:aws:iam::${ACCOUNT_ID}:role/*` } }],
  ])("by %s lets in everybody", (_, changes) => {
    expect(first(prove({ statements: [allow(ROOT, changes)] })).openTo).toEqual([B, C]);
  });

  test("is told by its place where it has no Sid", () => {
    const proof = prove({ statements: [allow(STRANGER, { Sid: undefined })] });
    const places = (desiredOf(A, {}).admittedPolicy.Statement.length ?? 0) + 1;
    expect(first(proof).breaches).toMatchObject([{ statement: `#${places}` }]);
  });

  test("as a service is told, and is no tenant's session", () => {
    const Principal = { Service: "lambda.amazonaws.com" };
    expect(first(prove({ statements: [allow(ROOT, { Principal })] }))).toMatchObject({
      verdict: "broken",
      openTo: [],
      breaches: [{ letsIn: ["Service lambda.amazonaws.com"] }],
    });
  });
});

test("a document that isn't a policy lets in everybody", () => {
  expect(first(prove({ key: { policy: read("{") } })).openTo).toEqual([B, C]);
  const odd = { ...desiredOf(A, {}).admittedPolicy, Extra: 1 };
  expect(first(prove({ key: { policy: read(odd) } }))).toMatchObject({
    openTo: [B, C],
    breaches: [{ statement: "(whole)" }],
  });
});

describe("in role mode session-tag", () => {
  const shared = (Condition?: object) => ({
    context: SHARED,
    statements: [allow(SHARED.sharedTenantRoleArn, Condition === undefined ? {} : { Condition })],
  });
  test.each([
    ["no tag", undefined, [B, C]],
    ["another tenant's tag", { StringEquals: { "aws:PrincipalTag/tenant": B } }, [B]],
    ["a list of tags", { StringEquals: { "AWS:PrincipalTag/tenant": [A, C] } }, [C]],
    ["a pattern of tags", { StringLike: { "aws:PrincipalTag/tenant": "tenant-*" } }, [B, C]],
    ["a policy variable", { StringEquals: { "aws:PrincipalTag/tenant": `\${aws:username}` } }, [B, C]],
    ["the absence of it", { StringEqualsIfExists: { "aws:PrincipalTag/tenant": A } }, [B, C]],
  ])("a statement for the shared role with %s breaks the pairs that it lets in", (_, condition, openTo) => {
    expect(first(prove(shared(condition)))).toMatchObject({ verdict: "broken", openTo });
  });
});

describe("grants", () => {
  const grant = (granteePrincipal: string): ObservedGrant => ({
    grantId: "grant-1",
    granteePrincipal,
    issuingAccount: ACCOUNT_ID,
    operations: ["Decrypt"],
    createdAtMs: 0,
  });
  const withGrant = (grantee: string, changes: TenantChanges = {}) =>
    first(prove({ ...changes, key: { grants: read([grant(grantee)]) } }));

  test("to another tenant's role break its pair, also where the profile allows grants for services", () => {
    for (const profile of [exampleProfile(), exampleProfile({ serviceGrants: true })]) {
      expect(withGrant(roleOf(B), { profile })).toMatchObject({
        verdict: "broken",
        openTo: [B],
        breaches: [{ kind: "grant", statement: "grant-1", reason: `lets ${roleOf(B)} do Decrypt` }],
      });
    }
  });

  test("to a pattern, which KMS doesn't take, let in everybody", () => {
    expect(withGrant("*").openTo).toEqual([B, C]);
  });

  test("to a stranger break the key", () => {
    expect(withGrant(STRANGER)).toMatchObject({ verdict: "broken", openTo: [] });
  });

  test("to a service are in order where the profile says so, and to nobody that is there always", () => {
    expect(withGrant("dynamodb.eu-west-1.amazonaws.com").verdict).toBe("broken");
    const profile = exampleProfile({ serviceGrants: true });
    expect(withGrant("dynamodb.eu-west-1.amazonaws.com", { profile })).toMatchObject({
      verdict: "contained",
      remarks: ["grant grant-1 lets dynamodb.eu-west-1.amazonaws.com use it, as its profile says"],
    });
    expect(withGrant(DEAD_ID).verdict).toBe("contained");
  });

  test("that are of no use any more, as the tenant leaves, break the key while their grantee is there", () => {
    const leaving = { profile: exampleProfile({ serviceGrants: true }), target: "withdrawn" } as const;
    expect(withGrant("dynamodb.eu-west-1.amazonaws.com", leaving)).toMatchObject({
      verdict: "broken",
      openTo: [],
      breaches: [{ reason: expect.stringMatching(/, though it is of no use any more$/) }],
    });
  });

  test("to a job are in order until their end, and break the key after it: KMS knows no end", () => {
    const job = "arn:aws:iam::111122223333:role/nightly-job";
    const lent = (endsAtMs: number) => ({
      ...grant(job),
      encryptionContext: { tenant: A },
      name: jobGrantName(endsAtMs, "nightly"),
      createdAtMs: NOW_MS - 1_000,
    });
    const profile = exampleProfile({ jobRoleArns: [job] });
    const withLent = (endsAtMs: number) => first(prove({ profile, key: { grants: read([lent(endsAtMs)]) } }));
    expect(withLent(NOW_MS + 1)).toMatchObject({ verdict: "contained", remarks: [expect.stringContaining(job)] });
    expect(withLent(NOW_MS)).toMatchObject({ verdict: "broken", openTo: [], breaches: [{ letsIn: [job] }] });
  });

  test("to the tenant's own role are remarked, and break the key where they let it do more than its profile does", () => {
    expect(withGrant(roleOf(A))).toMatchObject({ verdict: "contained", remarks: [expect.stringContaining("grant-1")] });
    const lendable = { ...grant(roleOf(A)), operations: ["Decrypt", "CreateGrant"] };
    expect(first(prove({ key: { grants: read([lendable]) } }))).toMatchObject({
      verdict: "broken",
      openTo: [],
      breaches: [{ kind: "grant", reason: `lets ${roleOf(A)} do Decrypt, CreateGrant` }],
    });
  });

  test("that weren't read prove nothing", () => {
    expect(first(prove({ key: { grants: SKIPPED } }))).toMatchObject({
      verdict: "not-proven",
      unproven: ["not read: its grants"],
    });
  });
});

describe("the trust policy of a tenant's role", () => {
  const [ours] = desiredOf(A, {}).role.trustPolicy.Statement;
  const app = PER_TENANT.applicationRoleArns[0];
  const trusting = (...statements: unknown[]) =>
    first(prove({ role: { trustPolicy: { Version: "2012-10-17", Statement: statements } } }));
  const more = (changes: object) => trusting(ours, { ...ours, Sid: "More", ...changes });

  test.each([
    ["the account", { Principal: { AWS: ROOT } }, [B, C]],
    ["anybody", { Principal: "*" }, [B, C]],
    ["another tenant's role", { Principal: { AWS: roleOf(B) } }, [B]],
    ["an application role without the tag", { Condition: undefined }, [B, C]],
    [
      "an application role with another tenant's tag",
      { Condition: { StringEquals: { "aws:RequestTag/tenant": B } } },
      [B],
    ],
    [
      "an application role with a pattern of tags",
      { Condition: { StringLike: { "aws:RequestTag/tenant": "*" } } },
      [B, C],
    ],
    ["a stranger", { Principal: { AWS: STRANGER } }, []],
    ["a service", { Principal: { Service: "ec2.amazonaws.com" } }, []],
  ])("that lets in %s breaks its keys", (_, changes, openTo) => {
    expect(more(changes)).toMatchObject({
      verdict: "broken",
      openTo,
      breaches: [{ kind: "trust-policy", resource: roleOf(A), statement: "More" }],
    });
  });

  test("is in order with a Deny more, another Sid, or without an application role that is gone", () => {
    expect(trusting({ ...ours, Sid: "Renamed" }, { Effect: "Deny", Principal: "*", Action: "*" }).verdict).toBe(
      "contained",
    );
    expect(trusting({ ...ours, Principal: { AWS: [app, DEAD_ID] } }).verdict).toBe("contained");
    expect(trusting({ ...ours, Principal: { AWS: DEAD_ID } }).verdict).toBe("contained");
  });

  test("that isn't a policy lets in everybody", () => {
    expect(first(prove({ role: { trustPolicy: "{" } })).openTo).toEqual([B, C]);
    expect(first(prove({ role: { trustPolicy: { Statement: [ours], Odd: 1 } } })).openTo).toEqual([B, C]);
  });

  test("that isn't read proves nothing of its keys, and the others stay proven", () => {
    const proof = prove({ tenant: { role: denied("iam:GetRole") } });
    expect(proof.keys.map(({ verdict }) => verdict)).toEqual(["not-proven", "contained", "contained"]);
    expect(proof.counts).toMatchObject({ pairsRefused: 4, pairsNotProven: 2 });
  });

  test("of a role that isn't there, or of another of its name, lets nobody use the key", () => {
    expect(first(prove({ tenant: { role: read(undefined) } }))).toMatchObject({
      verdict: "contained",
      own: { kind: "shut", reason: "its role isn't there" },
    });
  });

  test("of the shared role breaks every key", () => {
    const trustPolicy = doc(allow(ROOT, { Action: "sts:AssumeRole", Resource: undefined }));
    const proof = prove({ context: SHARED, role: { trustPolicy } }, { role: { trustPolicy } });
    expect(proof.counts).toMatchObject({ pairsBroken: 6, pairsRefused: 0 });
  });
});

test("what is known to be broken outranks what couldn't be read", () => {
  const proof = prove({ statements: [allow(roleOf(B))], key: { grants: denied("kms:ListGrants") } });
  const key = first({ ...proof, keys: prove({ key: { grants: denied("kms:ListGrants") }, statements: [] }).keys });
  expect(key.verdict).toBe("not-proven");
  expect(first(proof).verdict).toBe("broken");
  expect([pairVerdict(first(proof), B), pairVerdict(first(proof), C)]).toEqual(["broken", "not-proven"]);
  expect(proof.counts).toMatchObject({ pairsBroken: 1, pairsNotProven: 1 });
});

test.each([
  ["disabled", "Disabled"],
  ["withdrawn", "Disabled"],
  ["deleted", "PendingDeletion"],
] as const)("a key that is %s is proven by its policy, and shut by its state", (target, reason) => {
  const proof = prove({ target });
  expect(first(proof)).toMatchObject({ verdict: "contained", own: { kind: "shut", reason } });
  expect(proof.counts).toMatchObject({ pairsRefused: 6, ownAllowed: 2, ownShut: 1 });
  expect(first(prove({ target, statements: [allow(roleOf(B))] }))).toMatchObject({ verdict: "broken", openTo: [B] });
});

test("a key of the tenant's own account is its owner's to prove, and one that wasn't looked at is nobody's", () => {
  const own = first(prove({ proven: { isOwnKey: true } }));
  expect(own).toMatchObject({ verdict: "not-proven", own: { kind: "unknown" } });
  expect(own.unproven).toEqual([expect.stringMatching(/^its owner's policy/)]);
  const unseen = first(prove({ proven: { seen: { kind: "unseen", reason: "a worker has it in hand" } } }));
  expect(unseen).toMatchObject({ verdict: "not-proven", unproven: ["a worker has it in hand"] });
});

describe("a multi-Region key", () => {
  const MRK = parseKeyArn(`arn:aws:kms:eu-west-1:${ACCOUNT_ID}:key/mrk-1`);
  const proofOf = (part: KeyPart, description: PresentKey["description"]) =>
    first(prove({ key: { keyArn: MRK, description }, proven: { part } }));
  const described = (replicaRegions: readonly Region[]) =>
    read({
      state: "Enabled",
      origin: "AWS_KMS",
      keySpec: "SYMMETRIC_DEFAULT",
      createdAtMs: 0,
      replicaRegions,
    } as const);

  test("whose description wasn't read may have replicas that nobody looked at", () => {
    expect(proofOf("current", described([parseRegion("eu-central-1")])).verdict).toBe("contained");
    expect(proofOf("replica", denied("kms:DescribeKey")).verdict).toBe("contained");
    const { verdict, unproven } = proofOf("current", denied("kms:DescribeKey"));
    expect([verdict, unproven]).toEqual(["not-proven", [expect.stringMatching(/^kms:DescribeKey denied/)]]);
  });

  test("that was replaced is proven without replicas only, since those aren't read", () => {
    expect(proofOf("replaced", described([])).verdict).toBe("contained");
    const { verdict, unproven } = proofOf("replaced", described([parseRegion("eu-central-1")]));
    expect([verdict, unproven]).toEqual(["not-proven", ["not read: its replicas in eu-central-1"]]);
  });
});

test("a key that is gone can't be used by anybody", () => {
  const seen = {
    kind: "inspected",
    key: { kind: "absent", keyArn: keyArnOf(A) },
    desired: desiredOf(A, {}),
    target: "deleted",
    readAtMs: NOW_MS,
  } as const;
  expect(first(prove({ proven: { seen } }))).toMatchObject({ verdict: "contained", own: { kind: "shut" } });
});

describe("a second line of defence that is gone is remarked, and the key's policy still refuses", () => {
  test.each([
    ["a policy on every key", EVERYTHING, "policy mistake #1 reaches beyond its tenant's keys: *"],
    ["no boundary", { boundaryArn: undefined }, "its boundary is missing"],
    [
      "another key's ARN",
      { inlinePolicies: { more: doc({ Effect: "Allow", Action: "kms:Decrypt", Resource: [keyArnOf(B)] }) } },
      `policy more #1 reaches beyond its tenant's keys: ${keyArnOf(B)}`,
    ],
  ])("%s", (_, role, remark) => {
    const proof = prove({ role });
    expect(proof.remarks).toEqual([{ tenantId: A, roleArn: roleOf(A), remark }]);
    expect(proof.counts).toMatchObject({ pairsRefused: 6 });
  });

  test("what the profile declares is told: outside accounts", () => {
    const profile = exampleProfile({ outsideAccounts: ["444455556666"] });
    expect(first(prove({ profile }))).toMatchObject({
      verdict: "contained",
      remarks: ["its profile lets in outside accounts: 444455556666"],
    });
  });
});
