/**
 * Who calls, with the condition keys that AWS sets of a caller. All of them have an identity policy that allows everything,
 * as an administrator gives by mistake: what they may not do, the key's policy alone refuses.
 */
import type { KeyAudience } from "@tenantkeys/core";
import type { ConditionKeys } from "./engine.ts";
import { JOB_ROLE } from "./requests.ts";

/** Whom a key's policy means, or nobody that it means. */
export type CallerKind = "tenant" | "outside" | "provisioner" | "auditor" | "administrator" | "root" | "stranger";

export interface Caller {
  readonly name: string;
  readonly kind: CallerKind;
  /** The ARN that calls; undefined: without a signature. */
  readonly principal: string | undefined;
  readonly keys: ConditionKeys;
}

const OUR_ACCOUNT = "111122223333";
const EVERYTHING = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] };

/** An anonymous caller and an AWS service have no policies of IAM. */
export function identityPoliciesOf({ principal }: Caller): readonly unknown[] {
  return principal?.startsWith("arn:") ? [EVERYTHING] : [];
}

/** Everybody who is tried. The tenant's own role is among them: beyond what its profile says it is a stranger too. */
export function callersOf({ context, profile, principalArn, tenantId }: KeyAudience): readonly Caller[] {
  const isShared = context.roleMode === "session-tag";
  const otherTenants = isShared ? principalArn : principalArn.replace(tenantId, "globex");
  const administrators = [...new Set([...context.administratorRoleArns, ...profile.administratorRoleArns])];
  return [
    session("its tenant", "tenant", principalArn, { "aws:PrincipalTag/tenant": tenantId }),
    session("another tenant", "stranger", otherTenants, { "aws:PrincipalTag/tenant": "globex" }),
    session("a tenant whose id begins alike", "stranger", isShared ? principalArn : `${principalArn}-2`, {
      "aws:PrincipalTag/tenant": `${tenantId}-2`,
    }),
    // Whoever may tag sessions of some other role can give them any tenant's tag.
    session("a role with the tenant's tag", "stranger", role("app/tagger"), { "aws:PrincipalTag/tenant": tenantId }),
    session("the role of the other role mode", "stranger", otherModesRole(context, tenantId), {
      "aws:PrincipalTag/tenant": tenantId,
    }),
    session("the tenant's role of another stage", "stranger", role("tenantkeys/staging/tk-staging-acme"), {
      "aws:PrincipalTag/tenant": tenantId,
    }),
    session("the tenant's role in another account", "stranger", principalArn.replace(OUR_ACCOUNT, "999988887777"), {
      "aws:PrincipalTag/tenant": tenantId,
    }),
    ...context.applicationRoleArns.map((arn) => session("the application", "stranger", arn)),
    session("the provisioner", "provisioner", context.provisionerRoleArn),
    session("the auditor", "auditor", context.auditorRoleArn),
    session("the canary", "stranger", context.canaryRoleArn),
    ...administrators.map((arn) => session("an administrator", "administrator", arn)),
    session("an administrator of another profile", "stranger", role("people/Intern")),
    session("a job", "stranger", JOB_ROLE),
    session("any role of the account", "stranger", role("AnyRole")),
    user("a user of the account", `arn:aws:iam::${OUR_ACCOUNT}:user/alice`),
    federated("a federated user of the account"),
    rootUser(OUR_ACCOUNT, "root"),
    ...profile.outsideAccounts.map((id) => session("a role of an outside account", "outside", role("Partner", id))),
    session("a role of an account that no profile names", "stranger", role("Partner", "999988887777")),
    rootUser("999988887777", "stranger"),
    service("S3 as itself", "s3.amazonaws.com"),
    service("CloudWatch Logs as itself", "logs.eu-west-1.amazonaws.com"),
    { name: "nobody, without a signature", kind: "stranger", principal: undefined, keys: EVERY_REQUEST },
  ];
}

const EVERY_REQUEST: ConditionKeys = {
  "aws:SecureTransport": "true",
  "aws:SourceIp": "203.0.113.7",
  "aws:CurrentTime": "2026-11-24T12:00:00Z",
  "aws:RequestedRegion": "eu-west-1",
  "aws:ResourceAccount": OUR_ACCOUNT,
  "aws:ResourceTag/tenantkeys:tenant": "acme",
};

function role(pathAndName: string, accountId = OUR_ACCOUNT): string {
  return `arn:aws:iam::${accountId}:role/${pathAndName}`;
}

function otherModesRole({ roleMode, accountId, stage, sharedTenantRoleArn }: KeyAudience["context"], tenantId: string) {
  if (roleMode === "per-tenant") return sharedTenantRoleArn;
  return `arn:aws:iam::${accountId}:role/tenantkeys/${stage}/tk-${stage}-${tenantId}`;
}

function session(name: string, kind: CallerKind, roleArn: string, tags: ConditionKeys = {}): Caller {
  const [, , , , accountId = "", path = ""] = roleArn.split(":");
  const roleName = path.split("/").at(-1);
  return {
    name,
    kind,
    principal: `arn:aws:sts::${accountId}:assumed-role/${roleName}/web`,
    keys: {
      ...authenticated(roleArn, accountId, "AssumedRole"),
      "aws:userid": `AROAEXAMPLE${accountId}:web`,
      ...tags,
    },
  };
}

function user(name: string, arn: string): Caller {
  return { name, kind: "stranger", principal: arn, keys: authenticated(arn, OUR_ACCOUNT, "User") };
}

function federated(name: string): Caller {
  const arn = `arn:aws:sts::${OUR_ACCOUNT}:federated-user/bob`;
  return { name, kind: "stranger", principal: arn, keys: authenticated(arn, OUR_ACCOUNT, "FederatedUser") };
}

function rootUser(accountId: string, kind: CallerKind): Caller {
  const arn = `arn:aws:iam::${accountId}:root`;
  const name = kind === "root" ? "the root user" : "another account's root user";
  return { name, kind, principal: arn, keys: authenticated(arn, accountId, "Account") };
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalisawsservice */
function service(name: string, principal: string): Caller {
  const keys = {
    "aws:PrincipalIsAWSService": "true",
    "aws:PrincipalServiceName": principal,
    "aws:SourceAccount": OUR_ACCOUNT,
    "aws:SourceArn": `arn:aws:logs:eu-west-1:${OUR_ACCOUNT}:log-group:any`,
  };
  return { name, kind: "stranger", principal, keys: { ...EVERY_REQUEST, ...keys } };
}

function authenticated(principalArn: string, accountId: string, principalType: string): ConditionKeys {
  return {
    ...EVERY_REQUEST,
    "aws:PrincipalArn": principalArn,
    "aws:PrincipalAccount": accountId,
    "aws:PrincipalType": principalType,
    "aws:PrincipalIsAWSService": "false",
    "aws:PrincipalOrgID": accountId === OUR_ACCOUNT ? "o-ours000000" : "o-others0000",
    "kms:CallerAccount": accountId,
  };
}
