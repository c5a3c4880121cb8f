/**
 * Branded identifiers. A plain string becomes one only through its `parse…` function, so a value of these types has
 * already been checked and a tenant id can't be passed where a key name is wanted.
 */
import { TenantKeysError } from "./errors.ts";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type TenantId = Branded<"TenantId">;
export type KeyName = Branded<"KeyName">;
export type Stage = Branded<"Stage">;
export type KeyArn = Branded<"KeyArn">;
export type RoleArn = Branded<"RoleArn">;
export type PolicyArn = Branded<"PolicyArn">;
export type AliasName = Branded<"AliasName">;
export type AttemptId = Branded<"AttemptId">;
export type AccountId = Branded<"AccountId">;
export type Region = Branded<"Region">;

/** 36 characters, so that a UUID fits and `tk-{stage}-{tenantId}` stays within IAM's 64. */
export const TENANT_ID_PATTERN = /^[a-z0-9][a-z0-9-]{0,35}$/;
/** 32 characters, so that alias, role and inline policy names stay within their limits. */
export const KEY_NAME_PATTERN = /^[a-z0-9][a-z0-9-]{0,31}$/;
/**
 * No hyphen: `tk-{stage}-{tenantId}` would be ambiguous (stage `dev`, tenant `a-b` and stage `dev-a`, tenant `b`), and
 * role names are unique per account whatever their path.
 */
export const STAGE_PATTERN = /^[a-z0-9]{1,20}$/;

export const KEY_ARN_PATTERN = /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]+$/;
export const ROLE_ARN_PATTERN = /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/;
const POLICY_ARN_PATTERN = /^arn:aws[a-z-]*:iam::(\d{12}|aws):policy\/[\w+=,.@/-]+$/;
export const ACCOUNT_ID_PATTERN = /^\d{12}$/;
export const REGION_PATTERN = /^[a-z]{2,3}(-[a-z]+)+-\d$/;
const ATTEMPT_ID_PATTERN = /^[A-Za-z0-9-]{8,64}$/;

function parse<Id extends string>(field: string, pattern: RegExp, expected: string) {
  return (value: string): Id => {
    // A pattern takes `undefined` by its text, and that is an id that a tenant may have.
    if (typeof value !== "string" || !pattern.test(value)) {
      const seen = typeof value === "string" ? `"${value.slice(0, 80)}"` : `of type ${typeof value}`;
      throw new TenantKeysError("identifier_invalid", `${field} ${seen} is not valid: expected ${expected}`);
    }
    return value as Id;
  };
}

/** @throws TenantKeysError `identifier_invalid` */
export const parseTenantId = parse<TenantId>(
  "tenantId",
  TENANT_ID_PATTERN,
  "1 to 36 of a-z, 0-9 and -, starting with a letter or digit, lowercase",
);
/** @throws TenantKeysError `identifier_invalid` */
export const parseKeyName = parse<KeyName>(
  "keyName",
  KEY_NAME_PATTERN,
  "1 to 32 of a-z, 0-9 and -, starting with a letter or digit, lowercase",
);
/** @throws TenantKeysError `identifier_invalid` */
export const parseStage = parse<Stage>(
  "stage",
  STAGE_PATTERN,
  "1 to 20 of a-z and 0-9 (no hyphen: names would be ambiguous)",
);
/** @throws TenantKeysError `identifier_invalid` */
export const parseKeyArn = parse<KeyArn>("keyArn", KEY_ARN_PATTERN, "arn:aws:kms:REGION:ACCOUNT:key/ID");
/** @throws TenantKeysError `identifier_invalid` */
export const parseRoleArn = parse<RoleArn>("roleArn", ROLE_ARN_PATTERN, "arn:aws:iam::ACCOUNT:role/PATH/NAME");
/** @throws TenantKeysError `identifier_invalid` */
export const parsePolicyArn = parse<PolicyArn>(
  "policyArn",
  POLICY_ARN_PATTERN,
  "arn:aws:iam::ACCOUNT:policy/PATH/NAME",
);
/** @throws TenantKeysError `identifier_invalid` */
export const parseAccountId = parse<AccountId>("accountId", ACCOUNT_ID_PATTERN, "12 digits");
/** @throws TenantKeysError `identifier_invalid` */
export const parseRegion = parse<Region>("region", REGION_PATTERN, "an AWS Region such as eu-west-1");
/** @throws TenantKeysError `identifier_invalid` */
export const parseAttemptId = parse<AttemptId>("attemptId", ATTEMPT_ID_PATTERN, "8 to 64 letters, digits and -");

/** `arn:aws:kms:{region}:{account}:key/{id}` */
export function regionOfKey(keyArn: KeyArn): string {
  return keyArn.split(":")[3] ?? "";
}
