/**
 * The guard: what AWS says about KMS keys on the account's default bus goes to verification at once. CloudTrail's events
 * are there only where a trail logs management events (docs/deploy.md). What happens to roles can't be seen here: IAM's
 * events reach EventBridge in us-east-1 only, so the sweep finds those changes.
 */
import { guardPattern, keyUsePattern } from "@tenantkeys/core";
import { letRulesSend } from "./queue-policy.ts";
import { context, names, settings } from "./stage.ts";
import { guardDeadLetter, guardQueue, verificationQueue } from "./verification.ts";

/** An hour, then the dead-letter queue, which rings: a day of quiet tries would be too long for a guard. */
const RETRY_POLICY = { maximumEventAgeInSeconds: 3_600, maximumRetryAttempts: 185 };

const guardRule = new aws.cloudwatch.EventRule("Guard", {
  name: names.guardRule,
  description: "Changes of KMS keys, to be verified at once",
  eventPattern: JSON.stringify(guardPattern(context.provisionerRoleArn)),
});

/** Crypto calls are read-only management events, which no rule gets in the ordinary state. */
const keyUseRule = settings.watchKeyUse
  ? new aws.cloudwatch.EventRule("KeyUse", {
      name: names.keyUseRule,
      description: "Every use of a KMS key of the account",
      eventPattern: JSON.stringify(keyUsePattern()),
      state: "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
    })
  : undefined;

const mayFeedGuard = letRulesSend("GuardPolicy", "GuardRuleSends", guardQueue, [guardRule]);
const mayFeedDeadLetter = letRulesSend("GuardDeadLetterPolicy", "GuardRulesSend", guardDeadLetter, [
  guardRule,
  ...(keyUseRule === undefined ? [] : [keyUseRule]),
]);

export const guardTarget = new aws.cloudwatch.EventTarget(
  "GuardTarget",
  {
    rule: guardRule.name,
    targetId: "verification",
    arn: guardQueue.arn,
    deadLetterConfig: { arn: guardDeadLetter.arn },
    retryPolicy: RETRY_POLICY,
  },
  { dependsOn: [mayFeedGuard, mayFeedDeadLetter] },
);

/** To the queue of the shards, not the guard's: uses are many, and one that is counted late is counted all the same. */
export const keyUseTarget = keyUseRule && watchKeyUse(keyUseRule);

function watchKeyUse(rule: aws.cloudwatch.EventRule) {
  const mayFeed = letRulesSend("VerificationPolicy", "KeyUseRuleSends", verificationQueue, [rule]);
  return new aws.cloudwatch.EventTarget(
    "KeyUseTarget",
    {
      rule: rule.name,
      targetId: "verification",
      arn: verificationQueue.arn,
      deadLetterConfig: { arn: guardDeadLetter.arn },
      retryPolicy: RETRY_POLICY,
    },
    { dependsOn: [mayFeed, mayFeedDeadLetter] },
  );
}
