/**
 * What an operator decides per stage (stacks/stages.ts). Checked when the stage is deployed, so that a bad value stops
 * the deployment and not a sign-up at night.
 */
import * as z from "zod/mini";
import { TenantKeysError } from "./errors.ts";
import { parseRoleArn, ROLE_ARN_PATTERN, type RoleArn, STAGE_PATTERN, type Stage } from "./ids.ts";
import { describeIssues, issueMessage } from "./schema-issues.ts";

const wholeNumber = (minimum: number, maximum: number) => z.int().check(z.minimum(minimum), z.maximum(maximum));
/** 613 characters: a path of 512 and a name of 64 in the longest partition, `aws-us-gov`. */
const roleArn = z
  .string()
  .check(
    z.regex(ROLE_ARN_PATTERN, "expected the ARN of an IAM role"),
    z.maxLength(613, "expected at most 613 characters"),
  );
/** IAM stores a principal named twice once, so the document read back would differ from ours for ever. */
const noneTwice = z.refine<string[]>((values) => new Set(values).size === values.length, "expected none twice");
/** The rest of a trust policy takes 265 of its 2,048 characters, with the longest tenant id and five ARNs. */
const APPLICATION_ROLE_ARN_CHARACTERS_MAX = 1_783;
/** The rest of the permissions boundary takes less than 500 of a managed policy's 6,144 characters. */
const TENANT_DATA_ACTION_CHARACTERS_MAX = 5_500;

/** The rest of the rule's event pattern takes less than 200 of EventBridge's 2,048 characters. */
const EVENT_SOURCE_CHARACTERS_MAX = 1_800;
/** Lambda's environment variables hold 4 KB together; SST's own and the queue's address take up to 450 bytes of it. */
const WORKER_SETTINGS_BYTES_MAX = 3_600;

const keyProfileSchema = z.strictObject({
  /** 90 to 2560 days. https://docs.aws.amazon.com/kms/latest/APIReference/API_EnableKeyRotation.html */
  rotationPeriodDays: z._default(wholeNumber(90, 2560), 365),
});

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
  /** The `source` of the events that may sign a tenant up: the bus's rule takes no others. */
  signUpEventSources: z._default(
    z.array(z.string().check(z.minLength(1), z.maxLength(256))).check(
      z.minLength(1),
      z.refine(
        (sources) => JSON.stringify(sources).length <= EVENT_SOURCE_CHARACTERS_MAX,
        `expected at most ${EVENT_SOURCE_CHARACTERS_MAX} characters together, so that the rule's pattern holds them`,
      ),
    ),
    ["tenantkeys.application", "sbt.control.plane"],
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
  profiles: z._default(z.record(z.string().check(z.regex(/^[a-z0-9][a-z0-9-]{0,31}$/)), keyProfileSchema), {
    default: { rotationPeriodDays: 365 },
  }),
});

export type KeyProfile = z.infer<typeof keyProfileSchema>;

type CheckedSettings = z.infer<typeof stageSettingsSchema>;
export type StageSettings = Omit<CheckedSettings, "stage" | "applicationRoleArns" | "administratorRoleArns"> & {
  readonly stage: Stage;
  readonly applicationRoleArns: readonly RoleArn[];
  readonly administratorRoleArns: readonly RoleArn[];
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
  const settings = result.data;
  if (settings.profiles.default === undefined) {
    throw new TenantKeysError("settings_invalid", 'stage settings: profiles must hold one named "default"');
  }
  const checked: StageSettings = {
    ...settings,
    stage: settings.stage as Stage,
    applicationRoleArns: settings.applicationRoleArns.map(parseRoleArn),
    administratorRoleArns: settings.administratorRoleArns.map(parseRoleArn),
  };
  const bytes = new TextEncoder().encode(JSON.stringify(workerSettings(checked))).length;
  if (bytes <= WORKER_SETTINGS_BYTES_MAX) return checked;
  const message = `stage settings: hold ${bytes} bytes for the worker, more than the ${WORKER_SETTINGS_BYTES_MAX} that fit its environment: name fewer roles or profiles`;
  throw new TenantKeysError("settings_invalid", message);
}

/** What the worker is told: everything but what only the stacks need. It passes parseStageSettings again. */
export function workerSettings(settings: StageSettings) {
  const {
    tenantDataActions: _1,
    signUpEventSources: _2,
    archiveRetentionDays: _3,
    logRetentionDays: _4,
    ...rest
  } = settings;
  return rest;
}
