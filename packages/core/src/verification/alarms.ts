/**
 * Every alarm of a stage: on which metric, from when on, and where the runbook says what to do. Which of them pages is
 * decided here once; stacks/alarms.ts makes them, and docs/runbook.md has a heading for each (tests compare the three).
 */
import type { Stage } from "../ids.ts";
import { stageNames } from "../names.ts";
import type { StageSettings } from "../stage-settings.ts";
import { canaryOverdueMinutes } from "./canary-run.ts";
import {
  CANARY_METRICS,
  FINDINGS_METRICS,
  metricNamespace,
  PROVISIONING_METRICS,
  STAGE_DIMENSION,
  VERIFICATION_METRICS,
} from "./metric-names.ts";

/** How often the schedule calls the sweep function, which mostly finds nothing due. A dead sweep waits no longer to be gone on with. */
export const SWEEP_TICK_MINUTES = 5;

/**
 * - `pages`: whether it rings: only what can lose a tenant's data or let a stranger in, or hides whether that is so
 * - `runbook`: its heading in docs/runbook.md, where it isn't the alarm's own id
 */
interface AlarmText {
  readonly says: string;
  readonly pages: boolean;
  readonly runbook?: string;
}

export const ALARMS = {
  "canary-breach": { says: "The canary could do what it must be refused: tenants aren't kept apart.", pages: true },
  "unintended-deletions": { says: "A key is scheduled for deletion that nobody offboarded.", pages: true },
  "critical-findings": { says: "Findings of severity critical are open.", pages: true },
  "could-not-verify": { says: "Something could not be verified.", pages: true },
  "sweep-overdue": { says: "No sweep has ended for more than two intervals.", pages: true },
  "canary-overdue": { says: "The canary hasn't shown for two turns that tenants are kept apart.", pages: true },
  "canary-failing": {
    says: "Attempts of the canary were left without an answer, or its own use failed.",
    pages: false,
  },
  "overdue-rotations": { says: "A key should have been rotated, and KMS shows no rotation.", pages: false },
  "reads-denied": { says: "AWS refused reads of the last sweep.", pages: false },
  "provisioning-failures": { says: "An event was refused or given up.", pages: false },
  "sign-ups-slow": { says: "Sign-ups take long until their keys can be used.", pages: false },
  "dead-letters-provisioning": { says: "The worker gave up events.", pages: true },
  "dead-letters-sign-ups": { says: "EventBridge could not hand events to the worker's queue.", pages: true },
  "dead-letters-verification": { says: "The verify function gave up parts of a sweep.", pages: true },
  "dead-letters-guard": { says: "Events about keys reached no verification.", pages: true },
  "dead-letters-old-provisioning": old("The worker's dead letters are a week old."),
  "dead-letters-old-sign-ups": old("The sign-up rule's dead letters are a week old."),
  "dead-letters-old-verification": old("The verify function's dead letters are a week old."),
  "dead-letters-old-guard": old("The guard's dead letters are a week old."),
  "queue-old-provisioning": waiting("Events wait long for the worker."),
  "queue-old-verification": waiting("Parts of a sweep wait long for the verify function."),
  "queue-old-guard": waiting("Events about keys wait long for their verification."),
  "function-errors-provision": failing("The worker fails or runs into its time-out."),
  "function-errors-review": failing("The review function fails or runs into its time-out."),
  "function-errors-sweep": failing("The sweep function fails or runs into its time-out."),
  "function-errors-verify": failing("The verify function fails or runs into its time-out."),
  "function-errors-canary": failing("The canary fails or runs into its time-out."),
} as const satisfies Readonly<Record<string, AlarmText>>;

export type AlarmId = keyof typeof ALARMS;

export const ALARM_IDS = Object.keys(ALARMS) as readonly AlarmId[];

/** The composite alarm's part of its name: the only alarm that tells the topic. */
export const PAGE_ALARM_ID = "page";

export interface AlarmDefinition {
  readonly id: AlarmId;
  readonly namespace: string;
  readonly metricName: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly statistic: "Maximum" | "Sum" | "p99";
  readonly periodSeconds: number;
  readonly evaluationPeriods: number;
  readonly comparison: "GreaterThanThreshold" | "LessThanThreshold";
  readonly threshold: number;
  /** https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html */
  readonly missingData: "breaching" | "notBreaching" | "ignore";
}

const MINUTE_SECONDS = 60;
const HOUR_SECONDS = 60 * MINUTE_SECONDS;
const DAY_SECONDS = 24 * HOUR_SECONDS;
const FIVE_MINUTES_SECONDS = 5 * MINUTE_SECONDS;
/** Half of the dead-letter queues' 14 days: a week is left before SQS drops the message. */
const DEAD_LETTER_AGE_SECONDS = 7 * DAY_SECONDS;
/** A tick, the 15 minutes that a sweep function may run, and ten for the last shards. */
const SWEEP_SLACK_MINUTES = SWEEP_TICK_MINUTES + 15 + 10;
/** A sign-up takes seconds; a minute means throttling, retries or a queue. */
const SIGN_UP_P99_SECONDS = 60;
/** Of the oldest message. A retry waits up to a quarter of an hour, and verification must be quick to be a guard. */
const QUEUE_AGE_SECONDS = {
  provisioning: 30 * MINUTE_SECONDS,
  verification: 30 * MINUTE_SECONDS,
  guard: 5 * MINUTE_SECONDS,
};

export function alarmName(stage: Stage, id: AlarmId | typeof PAGE_ALARM_ID): string {
  return `tenantkeys-${stage}-${id}`;
}

/** The heading of docs/runbook.md. */
export function runbookHeading(id: AlarmId): string {
  const { runbook }: AlarmText = ALARMS[id];
  return runbook ?? id;
}

export function alarmDescription(id: AlarmId): string {
  return `${ALARMS[id].says} What to do: docs/runbook.md#${runbookHeading(id)}`;
}

type AlarmSettings = Pick<StageSettings, "stage" | "sweepIntervalMinutes" | "canary" | "canaryIntervalMinutes">;

/** Every metric alarm of a stage, in the order of the table: those of the canary where it runs. */
export function alarmDefinitions(settings: AlarmSettings): readonly AlarmDefinition[] {
  const { stage } = settings;
  const names = stageNames(stage);
  const definitions: Readonly<Record<AlarmId, Omit<AlarmDefinition, "id">>> = {
    "canary-breach": lastKnown(stage, CANARY_METRICS.canaryBreaches),
    "unintended-deletions": lastKnown(stage, VERIFICATION_METRICS.unintendedDeletions),
    "critical-findings": lastKnown(stage, FINDINGS_METRICS.critical),
    "could-not-verify": lastKnown(stage, VERIFICATION_METRICS.couldNotVerify),
    "sweep-overdue": overdue(
      stage,
      VERIFICATION_METRICS.sweepCompleted,
      2 * settings.sweepIntervalMinutes + SWEEP_SLACK_MINUTES,
    ),
    "canary-overdue": overdue(
      stage,
      CANARY_METRICS.canaryCompleted,
      canaryOverdueMinutes(settings.canaryIntervalMinutes),
    ),
    "canary-failing": lastKnown(stage, CANARY_METRICS.canaryFailures),
    "overdue-rotations": lastKnown(stage, VERIFICATION_METRICS.overdueRotations),
    "reads-denied": lastKnown(stage, VERIFICATION_METRICS.readsDenied),
    "provisioning-failures": { ...counted, ...ours(stage, PROVISIONING_METRICS.provisioningFailed) },
    "sign-ups-slow": {
      ...counted,
      ...ours(stage, PROVISIONING_METRICS.signUpToActiveSeconds),
      statistic: "p99",
      periodSeconds: 3 * FIVE_MINUTES_SECONDS,
      threshold: SIGN_UP_P99_SECONDS,
    },
    "dead-letters-provisioning": depth(names.queueDeadLetter),
    "dead-letters-sign-ups": depth(names.ruleDeadLetter),
    "dead-letters-verification": depth(names.verificationDeadLetter),
    "dead-letters-guard": depth(names.guardDeadLetter),
    "dead-letters-old-provisioning": age(names.queueDeadLetter, DEAD_LETTER_AGE_SECONDS),
    "dead-letters-old-sign-ups": age(names.ruleDeadLetter, DEAD_LETTER_AGE_SECONDS),
    "dead-letters-old-verification": age(names.verificationDeadLetter, DEAD_LETTER_AGE_SECONDS),
    "dead-letters-old-guard": age(names.guardDeadLetter, DEAD_LETTER_AGE_SECONDS),
    "queue-old-provisioning": age(names.queue, QUEUE_AGE_SECONDS.provisioning),
    "queue-old-verification": age(names.verificationQueue, QUEUE_AGE_SECONDS.verification),
    "queue-old-guard": age(names.guardQueue, QUEUE_AGE_SECONDS.guard),
    "function-errors-provision": errors(names.provisionFunction),
    "function-errors-review": errors(names.reviewFunction),
    "function-errors-sweep": errors(names.sweepFunction),
    "function-errors-verify": errors(names.verifyFunction),
    "function-errors-canary": errors(names.canaryFunction),
  };
  return alarmIdsOf(settings).map((id) => ({ id, ...definitions[id] }));
}

const OF_CANARY: readonly AlarmId[] = ["canary-breach", "canary-overdue", "canary-failing", "function-errors-canary"];

function alarmIdsOf({ canary }: Pick<StageSettings, "canary">): readonly AlarmId[] {
  return ALARM_IDS.filter((id) => canary || !OF_CANARY.includes(id));
}

/** https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html */
export function pageRule(settings: Pick<StageSettings, "stage" | "canary">): string {
  const paging = alarmIdsOf(settings).filter((id) => ALARMS[id].pages);
  return paging.map((id) => `ALARM("${alarmName(settings.stage, id)}")`).join(" OR ");
}

function old(says: string) {
  return { says, pages: false, runbook: "dead-letters-old" } as const;
}

function waiting(says: string) {
  return { says, pages: false, runbook: "queue-old" } as const;
}

function failing(says: string) {
  return { says, pages: false, runbook: "function-errors" } as const;
}

/** What is counted as it happens: without data nothing happened. */
const counted = {
  statistic: "Sum",
  periodSeconds: FIVE_MINUTES_SECONDS,
  evaluationPeriods: 1,
  comparison: "GreaterThanThreshold",
  threshold: 0,
  missingData: "notBreaching",
} as const;

function ours(stage: Stage, metricName: string) {
  return { namespace: metricNamespace(stage), metricName, dimensions: { [STAGE_DIMENSION]: stage } };
}

/**
 * What is true until verification says otherwise: between two sweeps there is no data, and the alarm stays as it is. The
 * highest of a minute counts, so that a sweep that ends beside the guard doesn't hide what the guard saw.
 */
function lastKnown(stage: Stage, metricName: string): Omit<AlarmDefinition, "id"> {
  return {
    ...counted,
    ...ours(stage, metricName),
    statistic: "Maximum",
    periodSeconds: MINUTE_SECONDS,
    missingData: "ignore",
  };
}

/**
 * In alarm where every period of the time is without a completed sweep, or run of the canary. CloudWatch looks back a day
 * with periods under an hour, and seven days with longer ones.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
 */
function overdue(stage: Stage, metricName: string, minutes: number): Omit<AlarmDefinition, "id"> {
  const seconds = minutes * MINUTE_SECONDS;
  const periodSeconds = seconds <= DAY_SECONDS ? FIVE_MINUTES_SECONDS : HOUR_SECONDS;
  return {
    ...counted,
    ...ours(stage, metricName),
    periodSeconds,
    evaluationPeriods: Math.ceil(seconds / periodSeconds),
    comparison: "LessThanThreshold",
    threshold: 1,
    missingData: "breaching",
  };
}

/** https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html */
function ofQueue(QueueName: string, metricName: string) {
  return { ...counted, namespace: "AWS/SQS", metricName, dimensions: { QueueName }, statistic: "Maximum" } as const;
}

function depth(queueName: string): Omit<AlarmDefinition, "id"> {
  return ofQueue(queueName, "ApproximateNumberOfMessagesVisible");
}

function age(queueName: string, threshold: number): Omit<AlarmDefinition, "id"> {
  return { ...ofQueue(queueName, "ApproximateAgeOfOldestMessage"), threshold };
}

/** https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html */
function errors(FunctionName: string): Omit<AlarmDefinition, "id"> {
  return { ...counted, namespace: "AWS/Lambda", metricName: "Errors", dimensions: { FunctionName } };
}
