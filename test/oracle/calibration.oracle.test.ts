/**
 * What AWS's documentation says of key policies and trust policies, case by case, asked of the engine the way the other
 * tests ask it. If it were asked wrongly, or were wrong itself in what they hang on, this would show it.
 */
import { describe, expect, test } from "vitest";
import { isAllowed, type Request, refusal } from "./src/engine.ts";

const ACCOUNT = "111122223333";
const KEY = `arn:aws:kms:eu-west-1:${ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
const ROLE = `arn:aws:iam::${ACCOUNT}:role/path/worker`;
const SESSION = `arn:aws:sts::${ACCOUNT}:assumed-role/worker/web`;
const OTHER_SESSION = `arn:aws:sts::${ACCOUNT}:assumed-role/other/web`;
const FOREIGN_SESSION = "arn:aws:sts::444455556666:assumed-role/worker/web";
const ROOT = { AWS: `arn:aws:iam::${ACCOUNT}:root` };

const document = (...statements: readonly object[]) => ({ Version: "2012-10-17", Statement: statements });
const allow = (changes: object) => document({ Effect: "Allow", Action: "kms:*", Resource: "*", ...changes });
const EVERYTHING = document({ Effect: "Allow", Action: "*", Resource: "*" });
const DECRYPT_THE_KEY = document({ Effect: "Allow", Action: "kms:Decrypt", Resource: KEY });
const DENY_ALL = { Effect: "Deny", Principal: "*", Action: "kms:Decrypt", Resource: "*" };

interface Case {
  readonly says: string;
  /** The page of AWS's documentation, below docs.aws.amazon.com. */
  readonly from: string;
  readonly policy: unknown;
  readonly request?: Partial<Request>;
  readonly allowed: boolean;
}

const KEY_POLICIES: readonly Case[] = [
  {
    says: "a role that the key's policy names needs no policy of its own",
    from: "kms/latest/developerguide/key-policy-overview.html",
    policy: allow({ Principal: { AWS: ROLE } }),
    allowed: true,
  },
  {
    says: "another role is refused without a word in the key's policy, whatever its own policy says",
    from: "kms/latest/developerguide/key-policies.html",
    policy: allow({ Principal: { AWS: ROLE } }),
    request: { principal: OTHER_SESSION, identityPolicies: [EVERYTHING] },
    allowed: false,
  },
  {
    says: "the account as principal lets IAM policies decide: one that allows it does",
    from: "kms/latest/developerguide/key-policy-default.html",
    policy: allow({ Principal: ROOT }),
    request: { identityPolicies: [DECRYPT_THE_KEY] },
    allowed: true,
  },
  {
    says: "the account as principal lets IAM policies decide: without one it is no",
    from: "kms/latest/developerguide/key-policy-default.html",
    policy: allow({ Principal: ROOT }),
    allowed: false,
  },
  {
    says: "the account's number means the account",
    from: "IAM/latest/UserGuide/reference_policies_elements_principal.html",
    policy: allow({ Principal: { AWS: ACCOUNT } }),
    request: { identityPolicies: [DECRYPT_THE_KEY] },
    allowed: true,
  },
  {
    says: "a Deny in the key's policy wins over every Allow",
    from: "IAM/latest/UserGuide/reference_policies_evaluation-logic.html",
    policy: document({ Effect: "Allow", Principal: { AWS: ROLE }, Action: "kms:*", Resource: "*" }, DENY_ALL),
    request: { identityPolicies: [EVERYTHING] },
    allowed: false,
  },
  {
    says: "a Deny in the caller's own policy wins as well",
    from: "IAM/latest/UserGuide/reference_policies_evaluation-logic.html",
    policy: allow({ Principal: { AWS: ROLE } }),
    request: { identityPolicies: [document({ Effect: "Deny", Action: "kms:Decrypt", Resource: "*" })] },
    allowed: false,
  },
  {
    says: "a boundary that doesn't allow it caps what the key's policy gives a role",
    from: "IAM/latest/UserGuide/access_policies_boundaries.html",
    policy: allow({ Principal: { AWS: ROLE } }),
    request: { boundary: document({ Effect: "Allow", Action: "s3:*", Resource: "*" }) },
    allowed: false,
  },
  {
    says: "a role of another account needs its own account's word too: with it",
    from: "kms/latest/developerguide/key-policy-modifying-external-accounts.html",
    policy: allow({ Principal: { AWS: "arn:aws:iam::444455556666:root" } }),
    request: { principal: FOREIGN_SESSION, identityPolicies: [DECRYPT_THE_KEY] },
    allowed: true,
  },
  {
    says: "a role of another account needs its own account's word too: without it",
    from: "kms/latest/developerguide/key-policy-modifying-external-accounts.html",
    policy: allow({ Principal: { AWS: "arn:aws:iam::444455556666:role/worker" } }),
    request: { principal: FOREIGN_SESSION },
    allowed: false,
  },
  {
    says: "a role of another account needs the key's word too",
    from: "kms/latest/developerguide/key-policy-modifying-external-accounts.html",
    policy: allow({ Principal: ROOT }),
    request: { principal: FOREIGN_SESSION, identityPolicies: [EVERYTHING] },
    allowed: false,
  },
  {
    says: "everybody means everybody of the account",
    from: "IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-anonymous",
    policy: allow({ Principal: "*" }),
    request: { principal: OTHER_SESSION },
    allowed: true,
  },
  {
    says: "everybody, under a condition on the caller's account, means that account",
    from: "kms/latest/developerguide/conditions-kms.html#conditions-kms-caller-account",
    policy: allow({ Principal: "*", Condition: { StringEquals: { "kms:CallerAccount": ACCOUNT } } }),
    request: { principal: OTHER_SESSION, context: { "kms:CallerAccount": ACCOUNT } },
    allowed: true,
  },
  {
    says: "NotPrincipal with Allow lets in everybody else",
    from: "IAM/latest/UserGuide/reference_policies_elements_notprincipal.html",
    policy: allow({ NotPrincipal: { AWS: ROLE } }),
    request: { principal: OTHER_SESSION },
    allowed: true,
  },
  {
    says: "NotPrincipal with Allow doesn't let in whom it names",
    from: "IAM/latest/UserGuide/reference_policies_elements_notprincipal.html",
    policy: allow({ NotPrincipal: { AWS: ROLE } }),
    allowed: false,
  },
  {
    says: "NotAction with Allow gives everything else",
    from: "IAM/latest/UserGuide/reference_policies_elements_notaction.html",
    policy: allow({ Principal: { AWS: ROLE }, Action: undefined, NotAction: "kms:Encrypt" }),
    allowed: true,
  },
  {
    says: "an asterisk in the middle of a principal's ARN is no wildcard",
    from: "IAM/latest/UserGuide/reference_policies_elements_principal.html",
    policy: allow({ Principal: { AWS: `arn:aws:iam::${ACCOUNT}:role/path/*` } }),
    allowed: false,
  },
  {
    says: "a unique id is a role that was deleted: nobody",
    from: "IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids",
    policy: allow({ Principal: { AWS: "AROAEXAMPLEROLE123456" } }),
    allowed: false,
  },
  {
    says: "actions know no case of letters, and take wildcards",
    from: "IAM/latest/UserGuide/reference_policies_elements_action.html",
    policy: allow({ Principal: { AWS: ROLE }, Action: ["KMS:de?RYP*"] }),
    allowed: true,
  },
  {
    says: "a key's policy that names another resource isn't about the key",
    from: "kms/latest/developerguide/key-policy-overview.html",
    policy: allow({ Principal: { AWS: ROLE }, Resource: `${KEY}0` }),
    allowed: false,
  },
  {
    says: "a comparison with a key that the request lacks doesn't hold",
    from: "IAM/latest/UserGuide/reference_policies_elements_condition_operators.html",
    policy: allow({
      Principal: { AWS: ROLE },
      Condition: { StringEquals: { "kms:ViaService": "s3.eu-west-1.amazonaws.com" } },
    }),
    allowed: false,
  },
  {
    says: "IfExists holds where the request lacks the key",
    from: "IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_IfExists",
    policy: allow({
      Principal: { AWS: ROLE },
      Condition: { StringEqualsIfExists: { "kms:ViaService": "s3.eu-west-1.amazonaws.com" } },
    }),
    allowed: true,
  },
  {
    says: "a negated comparison holds where the request lacks the key",
    from: "IAM/latest/UserGuide/reference_policies_elements_condition_operators.html",
    policy: allow({
      Principal: { AWS: ROLE },
      Condition: { StringNotEquals: { "kms:ViaService": "s3.eu-west-1.amazonaws.com" } },
    }),
    allowed: true,
  },
  {
    says: "ForAllValues holds where the request lacks the key",
    from: "IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html",
    policy: allow({
      Principal: { AWS: ROLE },
      Condition: { "ForAllValues:StringEquals": { "kms:EncryptionContextKeys": "tenant" } },
    }),
    allowed: true,
  },
  {
    says: "ForAnyValue doesn't hold where the request lacks the key",
    from: "IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html",
    policy: allow({
      Principal: { AWS: ROLE },
      Condition: { "ForAnyValue:StringEquals": { "kms:EncryptionContextKeys": "tenant" } },
    }),
    allowed: false,
  },
  {
    says: "a condition on the encryption context holds for a request with it",
    from: "kms/latest/developerguide/conditions-kms.html#conditions-kms-encryption-context",
    policy: allow({
      Principal: { AWS: ROLE },
      Condition: { StringEquals: { "kms:EncryptionContext:tenant": "acme" } },
    }),
    request: { context: { "kms:EncryptionContext:tenant": "acme" } },
    allowed: true,
  },
  {
    says: "a condition on the encryption context doesn't hold for another value in other letters' case",
    from: "kms/latest/developerguide/conditions-kms.html#conditions-kms-encryption-context",
    policy: allow({
      Principal: { AWS: ROLE },
      Condition: { StringEquals: { "kms:EncryptionContext:tenant": "acme" } },
    }),
    request: { context: { "kms:EncryptionContext:tenant": "ACME" } },
    allowed: false,
  },
  {
    says: "the name of a condition key knows no case of letters",
    from: "IAM/latest/UserGuide/reference_policies_elements_condition.html",
    policy: allow({
      Principal: { AWS: ROLE },
      Condition: { StringEquals: { "KMS:encryptioncontext:TENANT": "acme" } },
    }),
    request: { context: { "kms:EncryptionContext:tenant": "acme" } },
    allowed: true,
  },
  {
    says: "a policy variable stands for the caller's tag",
    from: "IAM/latest/UserGuide/reference_policies_variables.html",
    policy: allow({
      Principal: { AWS: ROLE },
      Condition: { StringEquals: { "kms:EncryptionContext:tenant": "${aws:PrincipalTag/tenant}" } },
    }),
    request: { context: { "kms:EncryptionContext:tenant": "acme", "aws:PrincipalTag/tenant": "acme" } },
    allowed: true,
  },
  {
    says: "ArnEquals takes wildcards, as ArnLike does",
    from: "IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN",
    policy: allow({
      Principal: ROOT,
      Condition: { ArnEquals: { "aws:PrincipalArn": `arn:aws:iam::${ACCOUNT}:role/*/worker` } },
    }),
    request: { identityPolicies: [EVERYTHING], context: { "aws:PrincipalArn": ROLE } },
    allowed: true,
  },
  {
    says: "the root user alone meets a condition on the caller's type",
    from: "IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principaltype",
    policy: allow({ Principal: ROOT, Condition: { StringEquals: { "aws:PrincipalType": "Account" } } }),
    request: { identityPolicies: [EVERYTHING], context: { "aws:PrincipalType": "AssumedRole" } },
    allowed: false,
  },
  {
    says: "all comparisons of a condition must hold, of several values one",
    from: "IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html",
    policy: allow({
      Principal: { AWS: ROLE },
      Condition: {
        StringEquals: { "kms:EncryptionContext:tenant": ["acme", "globex"], "kms:CallerAccount": "999988887777" },
      },
    }),
    request: { context: { "kms:EncryptionContext:tenant": "acme", "kms:CallerAccount": ACCOUNT } },
    allowed: false,
  },
  {
    says: "a service as principal is that service and no other",
    from: "IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-services",
    policy: allow({ Principal: { Service: "logs.eu-west-1.amazonaws.com" } }),
    request: { principal: "logs.eu-west-1.amazonaws.com" },
    allowed: true,
  },
  {
    says: "nobody without a signature is let in where the account is named",
    from: "IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-anonymous",
    policy: allow({ Principal: ROOT }),
    request: { principal: undefined },
    allowed: false,
  },
];

describe("a key's policy", () => {
  test.each(KEY_POLICIES)("$says", ({ policy, request, allowed }) => {
    expect(refusal(JSON.parse(JSON.stringify(policy)))).toBeUndefined();
    const asked = {
      principal: SESSION,
      action: "kms:Decrypt",
      resource: KEY,
      accountId: ACCOUNT,
      context: {},
      identityPolicies: [],
    };
    expect(isAllowed(JSON.parse(JSON.stringify(policy)), { ...asked, ...request })).toBe(allowed);
  });
});

const TRUST = { Effect: "Allow", Principal: { AWS: ROLE }, Action: "sts:AssumeRole" };
const ONE_TAG = {
  StringLike: { "aws:RequestTag/tenant": "?*" },
  "ForAllValues:StringEquals": { "aws:TagKeys": ["tenant"] },
};
const TRUST_POLICIES: readonly Case[] = [
  {
    says: "whom it names may take on the role",
    from: "IAM/latest/UserGuide/id_roles_update-role-trust-policy.html",
    policy: document(TRUST),
    allowed: true,
  },
  {
    says: "whom it doesn't name may not, whatever their own policy says",
    from: "IAM/latest/UserGuide/id_roles_update-role-trust-policy.html",
    policy: document(TRUST),
    request: { principal: OTHER_SESSION, identityPolicies: [EVERYTHING] },
    allowed: false,
  },
  {
    says: "a session with one tag meets a condition that wants it and no other",
    from: "IAM/latest/UserGuide/id_session-tags.html",
    policy: document({ ...TRUST, Condition: ONE_TAG }),
    request: { context: { "aws:RequestTag/tenant": "acme", "aws:TagKeys": ["tenant"] } },
    allowed: true,
  },
  {
    says: "a session with a tag more doesn't",
    from: "IAM/latest/UserGuide/id_session-tags.html",
    policy: document({ ...TRUST, Condition: ONE_TAG }),
    request: { context: { "aws:RequestTag/tenant": "acme", "aws:TagKeys": ["tenant", "role"] } },
    allowed: false,
  },
  {
    says: "a session without a tag doesn't",
    from: "IAM/latest/UserGuide/id_session-tags.html",
    policy: document({ ...TRUST, Condition: ONE_TAG }),
    allowed: false,
  },
];

describe("a role's trust policy", () => {
  test.each(TRUST_POLICIES)("$says", ({ policy, request, allowed }) => {
    const role = `arn:aws:iam::${ACCOUNT}:role/tenant`;
    const asked = {
      principal: SESSION,
      action: "sts:AssumeRole",
      resource: role,
      accountId: ACCOUNT,
      context: {},
      identityPolicies: [],
    };
    expect(isAllowed(policy, { ...asked, ...request })).toBe(allowed);
  });
});

describe("what AWS refuses as malformed", () => {
  test.each([
    ["an unknown element", document({ ...DENY_ALL, Comment: "x" })],
    ["an Effect in lower case", document({ ...DENY_ALL, Effect: "deny" })],
    ["Principal beside NotPrincipal", document({ ...DENY_ALL, NotPrincipal: "*" })],
    ["neither Action nor NotAction", document({ Effect: "Allow", Principal: "*", Resource: "*" })],
    ["a list within a list", document({ ...DENY_ALL, Action: [["kms:Decrypt"]] })],
    ["an unknown version", { Version: "2030-01-01", Statement: [DENY_ALL] }],
    ["no statement", { Version: "2012-10-17" }],
    ["a statement that is none", document(null as never)],
  ])("%s is no policy to the engine either", (_name, policy) => {
    expect(refusal(policy)).toBeTypeOf("string");
  });
});
