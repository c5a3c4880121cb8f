/**
 * What an operator decides per stage (stacks/stages.ts). Checked when the stage is deployed, so that a bad value stops
 * the deployment and not a sign-up at night.
 */
import * as z from "zod/mini";
import { TenantKeysError } from "./errors.ts";
import { eventMappingsSchema, unknownMappedProfile } from "./events/event-mapping.ts";
import { REPLY_SOURCE } from "./events/replies.ts";
import { KEY_NAME_PATTERN, parseRoleArn, type RoleArn, STAGE_PATTERN, type Stage } from "./ids.ts";
import type { KeyProfile } from "./key-profile.ts";
import { keyProfile, keyProfileSchema } from "./key-profile-schema.ts";
import { describeIssues, issueMessage } from "./schema-issues.ts";
import { noneTwice, roleArn, wholeNumber } from "./schema-parts.ts";
import { workerSettings } from "./worker-settings.ts";

/** Who becomes a tenant: one role per tenant, or one role for all whose sessions carry the tenant as a tag. */
const ROLE_MODES = ["per-tenant", "session-tag"] as const;
export type RoleMode = (typeof ROLE_MODES)[number];

/** The rest of a trust policy takes 647 of its 2,048 characters, with five ARNs and both statements of a shared role. */
const APPLICATION_ROLE_ARN_CHARACTERS_MAX = 1_401;
/** The rest of the permissions boundary takes less than 850 of a managed policy's 6,144 characters. */
const TENANT_DATA_ACTION_CHARACTERS_MAX = 5_250;

/** The rest of the rule's event pattern takes 458 of EventBridge's 2,048 characters, without mappings. */
const EVENT_SOURCE_CHARACTERS_MAX = 1_580;
/** Lambda's environment variables hold 4 KB together; SST's own and the queue's address take up to 450 bytes of it. */
const WORKER_SETTINGS_BYTES_MAX = 3_600;

const stageSettingsSchema = z.strictObject({
  stage: z.string().check(z.regex(STAGE_PATTERN, "expected 1 to 20 of a-z and 0-9")),
  /** Who may assume a tenant's role, with that tenant's session tag. */
  applicationRoleArns: z.array(roleArn).check(
    z.minLength(1),
    z.maxLength(5),
    noneTwice,
    z.refine(
      (arns) => arns.join("").length <= APPLICATION_ROLE_ARN_CHARACTERS_MAX,
      `expected at most ${APPLICATION_ROLE_ARN_CHARACTERS_MAX} characters together, so that a trust policy holds them`,
    ),
  ),
  /** The people who may give access back (never use a key): see docs/security-model.md. */
  administratorRoleArns: z._default(z.array(roleArn).check(z.maxLength(5), noneTwice), []),
  /** The `source` of the events that the stage takes: the bus's rule takes no others. */
  eventSources: z._default(
    z.array(z.string().check(z.minLength(1), z.maxLength(256))).check(
      z.minLength(1),
      z.refine(
        (sources) => JSON.stringify(sources).length <= EVENT_SOURCE_CHARACTERS_MAX,
        `expected at most ${EVENT_SOURCE_CHARACTERS_MAX} characters together, so that the rule's pattern holds them`,
      ),
      // Every function of the stage may send as tenantkeys itself.
      z.refine(
        (sources) => !sources.includes(REPLY_SOURCE),
        `"${REPLY_SOURCE}" is the source of tenantkeys's own events`,
      ),
    ),
    ["tenantkeys.application", "sbt.control.plane"],
  ),
  /** Events of any other form, read as ours: see docs/events.md. */
  eventMappings: z._default(eventMappingsSchema, []),
  roleMode: z._default(z.enum(ROLE_MODES), "per-tenant"),
  /** What of an event's sender must differ between who asks for an offboarding and who approves it. */
  approvalPrincipal: z._default(z.enum(["role", "session"]), "role"),
  /** How often keys that wait for something are looked at. */
  reviewIntervalMinutes: z._default(wholeNumber(5, 1440), 15),
  /** How often everything is verified: the registry, keys, aliases, roles. */
  sweepIntervalMinutes: z._default(wholeNumber(15, 1440), 60),
  /** The share of each published KMS quota that a sweep may use: the account's applications need the rest. */
  sweepQuotaShare: z._default(z.number().check(z.minimum(0.01), z.maximum(0.5)), 0.4),
  verifyConcurrency: z._default(wholeNumber(2, 100), 10),
  /** Whether the scheduled deletion of a live tenant's key is cancelled and the key enabled without asking anybody. */
  cancelUnintendedDeletions: z._default(z.boolean(), false),
  /** Whether findings of rules that need no person are put right by themselves. */
  automaticRepair: z._default(z.boolean(), false),
  /** What one repair may change at most, by hand or by itself; the smaller of the two counts, and at least one key. */
  repairKeysMax: z._default(wholeNumber(1, 1000), 10),
  repairSharePercent: z._default(wholeNumber(1, 100), 5),
  /** Whether every use of a tenant's key is looked at. It needs EventBridge to see all read-only events, which costs. */
  watchKeyUse: z._default(z.boolean(), false),
  /** Whether two tenants of the stage's own are tried on each other, again and again: see docs/canary.md. */
  canary: z._default(z.boolean(), true),
  canaryIntervalMinutes: z._default(wholeNumber(5, 1440), 15),
  securityHub: z._default(z.boolean(), false),
  accessAnalyzer: z._default(z.boolean(), false),
  /** Whether the stage has a table for branch keys: see docs/branch-keys.md. */
  branchKeys: z._default(z.boolean(), false),
  /** Whom alarms are sent to; each address must confirm once. */
  alarmEmails: z._default(
    z
      .array(z.string().check(z.regex(/^[^@\s]{1,64}@[^@\s]{1,190}$/, "expected an email address")))
      .check(z.maxLength(10), noneTwice),
    [],
  ),
  /** CreateKey and CreateAlias are 5 a second per account and Region by default, shared with everything in the account. */
  createKeyRatePerSecond: z._default(z.number().check(z.minimum(0.1), z.maximum(1000)), 5),
  /** Lambda's own limits for an SQS event source: 2 to 1,000. */
  maximumConcurrency: z._default(wholeNumber(2, 1000), 5),
  batchSize: z._default(wholeNumber(1, 10), 10),
  provisionTimeoutSeconds: z._default(wholeNumber(10, 900), 60),
  /** AWS advises at least 5, so that throttling alone doesn't fill the dead-letter queue. */
  receivesMax: z._default(wholeNumber(2, 1000), 10),
  /** First delay before a message is tried again; it doubles per receive up to 15 minutes. */
  retryDelaySeconds: z._default(wholeNumber(1, 900), 5),
  /** How long MalformedPolicyDocument is waited out while IAM shows a new role to KMS. */
  roleVisibilityBudgetSeconds: z._default(wholeNumber(1, 600), 30),
  archiveRetentionDays: z._default(wholeNumber(1, 3653), 365),
  logRetentionDays: z._default(z.literal([1, 7, 14, 30, 90, 180, 365, 731, 3653]), 90),
  /** The ceiling of what a tenant's role may ever do beside using keys (the permissions boundary). */
  tenantDataActions: z._default(
    z
      .array(
        z
          .string()
          .check(
            z.regex(
              /^(s3|dynamodb|secretsmanager|sqs|sns):[A-Za-z]+$/,
              "expected one action of s3, dynamodb, secretsmanager, sqs or sns, without a wildcard",
            ),
          ),
      )
      .check(
        noneTwice,
        z.refine(
          (actions) => JSON.stringify(actions).length <= TENANT_DATA_ACTION_CHARACTERS_MAX,
          `expected at most ${TENANT_DATA_ACTION_CHARACTERS_MAX} characters together, so that the boundary holds them`,
        ),
      ),
    [
      "s3:DeleteObject",
      "s3:GetObject",
      "s3:ListBucket",
      "s3:PutObject",
      "dynamodb:DeleteItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:UpdateItem",
      "secretsmanager:GetSecretValue",
    ],
  ),
  /** Whether tenants may bring keys of their own accounts, by ARN: it widens what roles may reach at most. */
  tenantOwnedKeys: z._default(z.boolean(), false),
  profiles: z._default(z.record(z.string().check(z.regex(KEY_NAME_PATTERN)), keyProfileSchema), { default: {} }),
  /** Which profile keys of a name get where their event names none: a tenant's data classes. */
  keyProfiles: z._default(z.record(z.string().check(z.regex(KEY_NAME_PATTERN)), z.string()), {}),
  /** The `source` of the replies in the form of the SaaS Builder Toolkit. */
  sbtReplySource: z._default(z.string().check(z.minLength(1), z.maxLength(256)), "sbt.application.plane"),
});

type CheckedSettings = z.infer<typeof stageSettingsSchema>;
type Narrowed = "stage" | "applicationRoleArns" | "administratorRoleArns" | "profiles";
export type StageSettings = Omit<CheckedSettings, Narrowed> & {
  readonly stage: Stage;
  readonly applicationRoleArns: readonly RoleArn[];
  readonly administratorRoleArns: readonly RoleArn[];
  readonly profiles: Readonly<Record<string, KeyProfile>>;
};
export type StageSettingsInput = z.input<typeof stageSettingsSchema>;

/**
 * @param input a stage's settings; everything but `stage` and `applicationRoleArns` has a default
 * @throws TenantKeysError `settings_invalid`, naming each field at fault
 */
export function parseStageSettings(input: unknown): StageSettings {
  const result = stageSettingsSchema.safeParse(input, { error: issueMessage });
  if (!result.success) {
    throw new TenantKeysError("settings_invalid", `stage settings: ${describeIssues(result.error.issues)}`, {
      cause: result.error,
    });
  }
  const checked = narrow(result.data);
  refuseUnknownProfiles(checked);
  const unknownProfile = unknownMappedProfile(checked.eventMappings, checked.profiles);
  if (unknownProfile !== undefined) throw new TenantKeysError("settings_invalid", `stage settings: ${unknownProfile}`);
  const bytes = new TextEncoder().encode(JSON.stringify(workerSettings(checked))).length;
  if (bytes <= WORKER_SETTINGS_BYTES_MAX) return checked;
  const message = `stage settings: hold ${bytes} bytes for the worker, more than the ${WORKER_SETTINGS_BYTES_MAX} that fit its environment: name fewer roles or profiles`;
  throw new TenantKeysError("settings_invalid", message);
}

function narrow(settings: CheckedSettings): StageSettings {
  const profiles = Object.entries(settings.profiles).map(([name, profile]) => [name, keyProfile(profile)]);
  return {
    ...settings,
    stage: settings.stage as Stage,
    applicationRoleArns: settings.applicationRoleArns.map(parseRoleArn),
    administratorRoleArns: settings.administratorRoleArns.map(parseRoleArn),
    profiles: Object.fromEntries(profiles),
  };
}

function refuseUnknownProfiles({ profiles, keyProfiles }: StageSettings): void {
  if (!Object.hasOwn(profiles, "default")) {
    throw new TenantKeysError("settings_invalid", 'stage settings: profiles must hold one named "default"');
  }
  for (const [keyName, profile] of Object.entries(keyProfiles)) {
    if (Object.hasOwn(profiles, profile)) continue;
    const known = Object.keys(profiles).join(", ");
    const message = `stage settings: keyProfiles.${keyName}: expected the name of a profile (${known}), got "${profile.slice(0, 80)}"`;
    throw new TenantKeysError("settings_invalid", message);
  }
}
