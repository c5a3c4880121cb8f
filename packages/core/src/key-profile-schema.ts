/** What a stage's settings may say of a key profile: each field by itself, and which fields go together. */
import * as z from "zod/mini";
import { ACCOUNT_ID_PATTERN, REGION_PATTERN } from "./ids.ts";
import {
  ACTION_PROFILES,
  completeKeyProfile,
  isInCustomStore,
  isReplacedToRotate,
  JOB_GRANT_HOURS_MAX,
  KEY_ORIGINS,
  KEY_SPECS,
  type KeyProfile,
  rotatesAutomatically,
} from "./key-profile.ts";
import { noneTwice, roleArn, wholeNumber } from "./schema-parts.ts";

const VIA_SERVICES_MAX = 10;
const OUTSIDE_ACCOUNTS_MAX = 10;
const ADMINISTRATOR_ROLES_MAX = 5;
const JOB_ROLES_MAX = 5;
const REPLICA_REGIONS_MAX = 5;
const USE_SOURCE_CIDRS_MAX = 20;
/** A block that can't be read would make every use of the key an unusual one. */
const isCidr = (value: string) => z.cidrv4().safeParse(value).success || z.cidrv6().safeParse(value).success;

/** Everything may be left out: key-profile.ts fills it in. */
export const keyProfileSchema = z
  .strictObject({
    /** 90 to 2560 days. https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html */
    rotationPeriodDays: z.optional(wholeNumber(90, 2560)),
    /** 7 to 30 days. https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html */
    deletionWindowDays: z.optional(wholeNumber(7, 30)),
    watchPeriodDays: z.optional(wholeNumber(0, 365)),
    approvalRequired: z.optional(z.boolean()),
    actions: z.optional(z.enum(ACTION_PROFILES)),
    strictEncryptionContext: z.optional(z.boolean()),
    viaServices: z.optional(
      z
        .array(z.string().check(z.regex(/^[a-z][a-z0-9-]{0,31}$/, "expected a service's name in KMS, such as s3")))
        .check(z.maxLength(VIA_SERVICES_MAX), noneTwice),
    ),
    serviceGrants: z.optional(z.boolean()),
    jobRoleArns: z.optional(z.array(roleArn).check(z.maxLength(JOB_ROLES_MAX), noneTwice)),
    jobGrantHoursMax: z.optional(wholeNumber(1, JOB_GRANT_HOURS_MAX)),
    outsideAccounts: z.optional(
      z
        .array(z.string().check(z.regex(ACCOUNT_ID_PATTERN, "expected 12 digits")))
        .check(z.maxLength(OUTSIDE_ACCOUNTS_MAX), noneTwice),
    ),
    administratorRoleArns: z.optional(z.array(roleArn).check(z.maxLength(ADMINISTRATOR_ROLES_MAX), noneTwice)),
    keySpec: z.optional(z.enum(KEY_SPECS)),
    origin: z.optional(z.enum(KEY_ORIGINS)),
    customKeyStoreId: z.optional(
      z.string().check(z.regex(/^cks-[0-9a-z]{1,60}$/, "expected a custom key store's id, cks-…")),
    ),
    replicaRegions: z.optional(
      z
        .array(z.string().check(z.regex(REGION_PATTERN, "expected an AWS Region such as eu-west-1")))
        .check(z.maxLength(REPLICA_REGIONS_MAX), noneTwice),
    ),
    usesPerMinuteMax: z.optional(wholeNumber(1, 1_000_000)),
    useSourceCidrs: z.optional(
      z
        .array(z.string().check(z.refine(isCidr, "expected a CIDR block such as 10.0.0.0/8 or 2001:db8::/32")))
        .check(z.maxLength(USE_SOURCE_CIDRS_MAX), noneTwice),
    ),
  })
  .check(({ value, issues }) => {
    for (const { field, message } of conflicts(asGiven(value))) {
      issues.push({ code: "custom", path: [field], message, input: value });
    }
  });

/** Ids are text until they were checked: by the patterns above, which are those of their own parse functions. */
function asGiven(checked: object): Partial<KeyProfile> {
  return checked as Partial<KeyProfile>;
}

/** @param checked what the schema gave back */
export function keyProfile(checked: z.infer<typeof keyProfileSchema>): KeyProfile {
  return completeKeyProfile(asGiven(checked));
}

interface Conflict {
  readonly broken: boolean;
  readonly field: keyof KeyProfile;
  readonly message: string;
}

/** Fields that KMS doesn't take together, or that would take back what the other promises. */
function conflicts(given: Partial<KeyProfile>): readonly Conflict[] {
  const profile = completeKeyProfile(given);
  const { keySpec, origin } = profile;
  const otherSpec = keySpec !== "SYMMETRIC_DEFAULT";
  const inCustomStore = isInCustomStore(profile);
  const symmetricOnly = `keys of keySpec ${keySpec} aren't used to encrypt`;
  const all: readonly Conflict[] = [
    {
      broken: given.rotationPeriodDays !== undefined && !rotatesAutomatically(profile),
      field: "rotationPeriodDays",
      message: `expected none: KMS doesn't rotate a key of keySpec ${keySpec} and origin ${origin} by itself`,
    },
    {
      // RSA and ECC private keys are wrapped in another way than the 32 bytes of a symmetric key.
      broken: otherSpec && origin === "EXTERNAL",
      field: "keySpec",
      message: "expected SYMMETRIC_DEFAULT: material of other keys isn't imported (origin EXTERNAL)",
    },
    { broken: otherSpec && profile.actions !== "full", field: "actions", message: `expected "full": ${symmetricOnly}` },
    {
      broken: otherSpec && profile.strictEncryptionContext,
      field: "strictEncryptionContext",
      message: `expected false: ${symmetricOnly}`,
    },
    {
      broken: otherSpec && profile.viaServices.length > 0,
      field: "viaServices",
      message: `expected none: ${symmetricOnly}`,
    },
    ...conflictsOfGrants(profile, symmetricOnly),
    {
      broken: otherSpec && inCustomStore,
      field: "keySpec",
      message: `expected SYMMETRIC_DEFAULT: a custom key store (origin ${origin}) holds no other keys`,
    },
    {
      broken: inCustomStore && profile.customKeyStoreId === undefined,
      field: "customKeyStoreId",
      message: `expected the store's id, as origin is ${origin}`,
    },
    {
      broken: !inCustomStore && profile.customKeyStoreId !== undefined,
      field: "customKeyStoreId",
      message: `expected none, as origin is ${origin}: only AWS_CLOUDHSM and EXTERNAL_KEY_STORE have a store`,
    },
    {
      broken: inCustomStore && profile.replicaRegions.length > 0,
      field: "replicaRegions",
      message: `expected none: KMS doesn't replicate keys of a custom key store (origin ${origin})`,
    },
    {
      // Each replica would wait for the same material by itself; nothing here imports it there.
      broken: origin === "EXTERNAL" && profile.replicaRegions.length > 0,
      field: "replicaRegions",
      message: "expected none: imported material isn't brought to replicas (origin EXTERNAL)",
    },
    {
      // A key that is replaced by another would leave its replicas' aliases behind.
      broken: isReplacedToRotate(profile) && profile.replicaRegions.length > 0,
      field: "replicaRegions",
      message: `expected none: replicas are made of symmetric keys with KMS's own material only (keySpec ${keySpec})`,
    },
  ];
  return all.filter(({ broken }) => broken);
}

function conflictsOfGrants(profile: KeyProfile, symmetricOnly: string): readonly Conflict[] {
  const otherSpec = profile.keySpec !== "SYMMETRIC_DEFAULT";
  return [
    { broken: otherSpec && profile.serviceGrants, field: "serviceGrants", message: `expected false: ${symmetricOnly}` },
    {
      // A grant lets a service decrypt and without the tenant's context: it would undo both.
      broken: !otherSpec && profile.serviceGrants && (profile.actions !== "full" || profile.strictEncryptionContext),
      field: "serviceGrants",
      message: 'expected false, as a grant would go round strictEncryptionContext and round actions other than "full"',
    },
    {
      // A grant is bound to a tenant by its encryption context alone, and only symmetric keys have one.
      broken: otherSpec && profile.jobRoleArns.length > 0,
      field: "jobRoleArns",
      message: `expected none: ${symmetricOnly}`,
    },
    {
      // A grant can't be bound to a service: the job would call KMS directly.
      broken: !otherSpec && profile.viaServices.length > 0 && profile.jobRoleArns.length > 0,
      field: "jobRoleArns",
      message: "expected none, as a grant would go round viaServices",
    },
  ];
}
