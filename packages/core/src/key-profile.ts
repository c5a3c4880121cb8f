/**
 * Key profiles: what a tenant's key is made of and how it may be used, and what follows from that. A stage has them by
 * name. How they are checked at deploy time: key-profile-schema.ts.
 */
import type { AccountId, KeyName, Region, RoleArn } from "./ids.ts";

export const ACTION_PROFILES = ["full", "encrypt-only", "decrypt-only"] as const;
export type ActionProfile = (typeof ACTION_PROFILES)[number];

/** https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html */
export const KEY_SPECS = [
  "SYMMETRIC_DEFAULT",
  "HMAC_224",
  "HMAC_256",
  "HMAC_384",
  "HMAC_512",
  "RSA_2048",
  "RSA_3072",
  "RSA_4096",
  "ECC_NIST_P256",
  "ECC_NIST_P384",
  "ECC_NIST_P521",
  "ECC_SECG_P256K1",
] as const;
export type KeySpec = (typeof KEY_SPECS)[number];
export type KeyUsage = "ENCRYPT_DECRYPT" | "GENERATE_VERIFY_MAC" | "SIGN_VERIFY";

export const KEY_ORIGINS = ["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"] as const;
export type KeyOrigin = (typeof KEY_ORIGINS)[number];

export interface KeyProfile {
  /** Undefined where KMS can't rotate the key by itself. */
  readonly rotationPeriodDays: number | undefined;
  readonly deletionWindowDays: number;
  readonly watchPeriodDays: number;
  readonly approvalRequired: boolean;
  readonly actions: ActionProfile;
  readonly strictEncryptionContext: boolean;
  readonly viaServices: readonly string[];
  readonly serviceGrants: boolean;
  /** Roles of the stage's account to which a tenant may lend its key for a while, by a grant. */
  readonly jobRoleArns: readonly RoleArn[];
  /** How long such a grant may be good for. */
  readonly jobGrantHoursMax: number;
  readonly outsideAccounts: readonly AccountId[];
  readonly administratorRoleArns: readonly RoleArn[];
  readonly keySpec: KeySpec;
  readonly origin: KeyOrigin;
  readonly customKeyStoreId: string | undefined;
  readonly replicaRegions: readonly Region[];
  /** Calls a minute beyond which the use of one key is unusual; undefined: any number is usual. */
  readonly usesPerMinuteMax: number | undefined;
  /** From where a key is used, as CIDR blocks; none: from anywhere. */
  readonly useSourceCidrs: readonly string[];
}

/** A week: whoever needs a tenant's key for longer is no job. */
export const JOB_GRANT_HOURS_MAX = 168;
const ROTATION_PERIOD_DAYS = 365;

const DEFAULTS: KeyProfile = {
  rotationPeriodDays: ROTATION_PERIOD_DAYS,
  deletionWindowDays: 30,
  watchPeriodDays: 7,
  approvalRequired: false,
  actions: "full",
  strictEncryptionContext: false,
  viaServices: [],
  serviceGrants: false,
  jobRoleArns: [],
  jobGrantHoursMax: 24,
  outsideAccounts: [],
  administratorRoleArns: [],
  keySpec: "SYMMETRIC_DEFAULT",
  origin: "AWS_KMS",
  customKeyStoreId: undefined,
  replicaRegions: [],
  usesPerMinuteMax: undefined,
  useSourceCidrs: [],
};

/** The profile with every field, from those that were given. It checks nothing. */
export function completeKeyProfile(given: Partial<KeyProfile> = {}): KeyProfile {
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const profile = { ...DEFAULTS, ...said };
  if (rotatesAutomatically(profile)) return profile;
  return { ...profile, rotationPeriodDays: given.rotationPeriodDays };
}

/** What completeKeyProfile makes the same profile of again: the fields that differ from what it would fill in. */
export function compactKeyProfile(profile: KeyProfile): Partial<KeyProfile> {
  const { keySpec, origin } = profile;
  const filledIn: KeyProfile = {
    ...completeKeyProfile({ keySpec, origin }),
    keySpec: DEFAULTS.keySpec,
    origin: DEFAULTS.origin,
  };
  const fields = Object.keys(profile) as (keyof KeyProfile)[];
  const said = fields.filter((field) => JSON.stringify(profile[field]) !== JSON.stringify(filledIn[field]));
  return Object.fromEntries(said.map((field) => [field, profile[field]]));
}

export function keyUsage(keySpec: KeySpec): KeyUsage {
  if (keySpec === "SYMMETRIC_DEFAULT") return "ENCRYPT_DECRYPT";
  return keySpec.startsWith("HMAC_") ? "GENERATE_VERIFY_MAC" : "SIGN_VERIFY";
}

/** Only symmetric encryption keys whose material AWS made: https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html */
export function rotatesAutomatically({ keySpec, origin }: Pick<KeyProfile, "keySpec" | "origin">): boolean {
  return keySpec === "SYMMETRIC_DEFAULT" && origin === "AWS_KMS";
}

/**
 * Whether a key is rotated by making another that takes over its name: all that KMS can't rotate, but those whose next
 * material is the customer's to bring. https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys-manually.html
 */
export function isReplacedToRotate({ keySpec, origin }: Pick<KeyProfile, "keySpec" | "origin">): boolean {
  return !rotatesAutomatically({ keySpec, origin }) && origin !== "EXTERNAL";
}

export function isInCustomStore({ origin }: Pick<KeyProfile, "origin">): boolean {
  return origin === "AWS_CLOUDHSM" || origin === "EXTERNAL_KEY_STORE";
}

/** True of a multi-Region key: KMS decides it when the key is made, and never changes it. */
export function isMultiRegion({ replicaRegions }: Pick<KeyProfile, "replicaRegions">): boolean {
  return replicaRegions.length > 0;
}

/** The Region of a stage and all that its profiles have replicas in, each once. */
export function regionsOf(region: Region, profiles: Readonly<Record<string, KeyProfile>>): readonly Region[] {
  return [...new Set([region, ...Object.values(profiles).flatMap((profile) => profile.replicaRegions)])];
}

/** The name of a key's profile: the one that its event names, else the stage's for such keys, else `default`. */
export function profileOf(
  settings: { readonly keyProfiles: Readonly<Record<string, string>> },
  keyName: KeyName,
  named: string | undefined,
): string {
  if (named !== undefined) return named;
  // `hasOwn`, as a key may be named like something that every object has: `constructor`.
  return (Object.hasOwn(settings.keyProfiles, keyName) ? settings.keyProfiles[keyName] : undefined) ?? "default";
}
