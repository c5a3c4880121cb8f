/** Verification as it is deployed: schedule, queues, functions, the guard's rules, and how little their roles may do. */
import { guardPattern, keyUsePattern, parseRoleArn } from "@tenantkeys/core";
import { beforeAll, describe, expect, test } from "vitest";
import { ACCOUNT_ID, asList, REGION, type RecordedStage, recordStage } from "./recorded-stage.ts";

const arn = (service: string, name: string) => `arn:aws:${service}:${REGION}:${ACCOUNT_ID}:${name}`;
const role = (name: string) => `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/tenantkeys-dev-${name}`;
const TABLE = arn("dynamodb", "table/tenantkeys-dev-registry");
const SWEEPER = "tenantkeys-dev-sweeper inline sweeper";
const VERIFIER = "tenantkeys-dev-verifier inline verifier";
const OPERATOR = "tenantkeys-dev-operator policy";
/** What both roles of verification may do with the registry and on the bus. */
const KEEP_AND_TELL = {
  ReadTheRegistry: [["dynamodb:GetItem", "dynamodb:Query"], [TABLE]],
  KeepWhatWasFound: [
    ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
    [TABLE],
    { "ForAllValues:StringLike": { "dynamodb:LeadingKeys": ["FINDINGS#*", "CHECKS#*", "SWEEP*", "REPAIR*"] } },
  ],
  CallForCriticalFindings: [["sns:Publish"], [arn("sns", "tenantkeys-dev-alarms")]],
  TellOfFindings: [
    ["events:PutEvents"],
    [arn("events", "event-bus/tenantkeys-dev")],
    { "ForAllValues:StringEquals": { "events:source": "tenantkeys" } },
  ],
};

let stage: RecordedStage;
/** A stage with every switch of verification on. */
let watched: RecordedStage;

beforeAll(async () => {
  [stage, watched] = await Promise.all([
    recordStage(),
    recordStage({
      settings: {
        sweepIntervalMinutes: 240,
        verifyConcurrency: 33,
        automaticRepair: true,
        watchKeyUse: true,
        securityHub: true,
        accessAnalyzer: true,
        logRetentionDays: 731,
      },
    }),
  ]);
});

const allowed = (of: RecordedStage, document: string) =>
  Object.fromEntries(
    of
      .statements(document)
      .map(({ Sid, Action, Resource, Condition }) => [
        Sid,
        [asList(Action), asList(Resource), ...(Condition === undefined ? [] : [Condition])],
      ]),
  );

/** What was given to a function by the stacks; SST puts some of its own beside it. */
function environment(nameEnd: string): Readonly<Record<string, string>> {
  const { inputs } = stage.one("lambda/function:Function", nameEnd);
  const { variables } = inputs.environment as { readonly variables: Readonly<Record<string, string>> };
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !name.startsWith("SST_")));
}

describe("the sweep", () => {
  test("is called every five minutes, whatever the interval: it starts what is due and goes on with what stopped", () => {
    for (const of of [stage, watched]) {
      const { inputs } = of.one("scheduler/schedule:Schedule", "-sweep-schedule");
      expect(inputs).toMatchObject({ scheduleExpression: "rate(5 minutes)", state: "ENABLED" });
      expect(inputs.target).toMatchObject({
        arn: arn("lambda", "function:tenantkeys-dev-sweep"),
        roleArn: role("sweep-caller"),
        retryPolicy: { maximumRetryAttempts: 0 },
        input: "{}",
      });
    }
    expect(allowed(stage, "tenantkeys-dev-sweep-caller inline schedule")).toEqual({
      CallTheSweep: [["lambda:InvokeFunction"], [arn("lambda", "function:tenantkeys-dev-sweep")]],
    });
  });

  test("has Lambda's longest time and half a gigabyte", () => {
    expect(stage.one("lambda/function:Function", "-sweep").inputs).toMatchObject({
      runtime: "nodejs24.x",
      architectures: ["arm64"],
      memorySize: 512,
      timeout: 900,
      role: role("sweeper"),
      loggingConfig: { logFormat: "JSON", logGroup: "/aws/lambda/tenantkeys-dev-sweep" },
    });
  });

  test("is told its stage, its table and the queue of its shards", () => {
    expect(environment("-sweep")).toEqual({
      NODE_OPTIONS: "--enable-source-maps",
      TENANTKEYS_STAGE: "dev",
      TENANTKEYS_ACCOUNT_ID: ACCOUNT_ID,
      TENANTKEYS_REGISTRY_TABLE: "tenantkeys-dev-registry",
      TENANTKEYS_QUEUE_URL: `https://sqs.${REGION}.amazonaws.com/${ACCOUNT_ID}/tenantkeys-dev-provisioning`,
      TENANTKEYS_VERIFICATION_QUEUE_URL: `https://sqs.${REGION}.amazonaws.com/${ACCOUNT_ID}/tenantkeys-dev-verification`,
    });
  });

  test("may keep the registry, send shards, look as the auditor and tell: nothing in KMS or IAM", () => {
    expect(allowed(stage, SWEEPER)).toEqual({
      ListTheRegistry: [["dynamodb:Scan"], [TABLE]],
      CountOpenFindings: [["dynamodb:Query"], [`${TABLE}/index/findings`]],
      SendShards: [["sqs:SendMessage"], [arn("sqs", "tenantkeys-dev-verification")]],
      LookAsAuditor: [["sts:AssumeRole"], [role("auditor")]],
      ...KEEP_AND_TELL,
      PutTheStagesMetrics: [
        ["cloudwatch:PutMetricData"],
        ["*"],
        { StringEquals: { "cloudwatch:namespace": "tenantkeys/dev" } },
      ],
      WriteItsLog: [
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        [arn("logs", "log-group:/aws/lambda/tenantkeys-dev-sweep:*")],
      ],
    });
  });
});

describe("the verify function", () => {
  test("has five minutes and half a gigabyte for one message", () => {
    expect(stage.one("lambda/function:Function", "-verify").inputs).toMatchObject({
      runtime: "nodejs24.x",
      architectures: ["arm64"],
      memorySize: 512,
      timeout: 300,
      role: role("verifier"),
      loggingConfig: { logFormat: "JSON", logGroup: "/aws/lambda/tenantkeys-dev-verify" },
    });
    const retention = (of: RecordedStage) => of.one("cloudwatch/logGroup:LogGroup", "-verify").inputs.retentionInDays;
    expect([retention(stage), retention(watched)]).toEqual([90, 731]);
  });

  test("is told its stage, its table and the worker's queue, to which it sends what is to be put right", () => {
    expect(environment("-verify")).toEqual({
      NODE_OPTIONS: "--enable-source-maps",
      TENANTKEYS_STAGE: "dev",
      TENANTKEYS_ACCOUNT_ID: ACCOUNT_ID,
      TENANTKEYS_REGISTRY_TABLE: "tenantkeys-dev-registry",
      TENANTKEYS_QUEUE_URL: `https://sqs.${REGION}.amazonaws.com/${ACCOUNT_ID}/tenantkeys-dev-provisioning`,
    });
  });

  test.each([
    ["shards, as many at once as the stage says", "tenantkeys-dev-verification", 10, 33],
    ["touched keys, two at once", "tenantkeys-dev-guard-events", 2, 2],
  ])("takes %s", (_, queue, concurrency, changed) => {
    const mapping = (of: RecordedStage) =>
      of.where("lambda/eventSourceMapping:EventSourceMapping", { eventSourceArn: arn("sqs", queue) }).inputs;
    expect(mapping(stage)).toMatchObject({
      functionName: arn("lambda", "function:tenantkeys-dev-verify"),
      batchSize: 1,
      functionResponseTypes: ["ReportBatchItemFailures"],
      scalingConfig: { maximumConcurrency: concurrency },
    });
    expect(mapping(stage).filterCriteria).toBeUndefined();
    expect(mapping(watched)).toMatchObject({ scalingConfig: { maximumConcurrency: changed } });
  });

  test.each([
    ["verification", "verification-dlq"],
    ["guard-events", "guard-dlq"],
  ])("is given a message of %s five times, half an hour apart at most, before %s has it", (queue, deadLetter) => {
    const { inputs } = stage.one("sqs/queue:Queue", `tenantkeys-dev-${queue}`);
    expect(inputs.visibilityTimeoutSeconds).toBe(6 * 300);
    expect(JSON.parse(String(inputs.redrivePolicy))).toEqual({
      deadLetterTargetArn: arn("sqs", `tenantkeys-dev-${deadLetter}`),
      maxReceiveCount: 5,
    });
  });

  test("may keep findings, take its messages, look as the auditor and tell: nothing in KMS or IAM, and of the worker a review", () => {
    expect(allowed(stage, VERIFIER)).toEqual({
      FindKeysByArnAndCountOpenFindings: [["dynamodb:Query"], [`${TABLE}/index/findings`, `${TABLE}/index/keys`]],
      TakeWorkFromTheQueues: [
        ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
        [arn("sqs", "tenantkeys-dev-verification"), arn("sqs", "tenantkeys-dev-guard-events")],
      ],
      AskForReview: [["sqs:SendMessage"], [arn("sqs", "tenantkeys-dev-provisioning")]],
      LookAsAuditor: [["sts:AssumeRole"], [role("auditor")]],
      ...KEEP_AND_TELL,
      PutTheStagesMetrics: [
        ["cloudwatch:PutMetricData"],
        ["*"],
        { StringEquals: { "cloudwatch:namespace": "tenantkeys/dev" } },
      ],
      WriteItsLog: [
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        [arn("logs", "log-group:/aws/lambda/tenantkeys-dev-verify:*")],
      ],
    });
  });
});

describe("each switch gives the rights that it needs, and no others", () => {
  /** Also what the limit of repairs is counted by. */
  const ASK_FOR_REPAIR = {
    AskForRepair: [["sqs:SendMessage"], [arn("sqs", "tenantkeys-dev-provisioning")]],
    CountKeysForTheLimit: [["dynamodb:Scan"], [TABLE]],
  };
  const TELL_SECURITY_HUB = [
    ["securityhub:BatchImportFindings"],
    [arn("securityhub", `product/${ACCOUNT_ID}/default`)],
  ];
  const gained = (of: RecordedStage, document: string) => {
    const before = allowed(stage, document);
    return Object.fromEntries(Object.entries(allowed(of, document)).filter(([sid]) => !(sid in before)));
  };

  test("all on: repair is asked of the worker, findings go to Security Hub, policies to Access Analyzer", () => {
    expect(gained(watched, SWEEPER)).toEqual({ ...ASK_FOR_REPAIR, TellSecurityHub: TELL_SECURITY_HUB });
    expect(gained(watched, VERIFIER)).toEqual({
      ...ASK_FOR_REPAIR,
      AskAccessAnalyzer: [["access-analyzer:CheckAccessNotGranted", "access-analyzer:CheckNoPublicAccess"], ["*"]],
      TellSecurityHub: TELL_SECURITY_HUB,
    });
  });

  test("all on: whoever verifies by the command line gets the same two, and nothing else", () => {
    expect(gained(watched, OPERATOR)).toEqual({
      AskAccessAnalyzer: [["access-analyzer:CheckAccessNotGranted", "access-analyzer:CheckNoPublicAccess"], ["*"]],
      TellSecurityHub: TELL_SECURITY_HUB,
    });
  });

  test("cancelling unintended deletions needs the worker as well", async () => {
    const cancelling = await recordStage({ settings: { cancelUnintendedDeletions: true } });
    expect(gained(cancelling, VERIFIER)).toEqual(ASK_FOR_REPAIR);
    expect(gained(cancelling, SWEEPER)).toEqual(ASK_FOR_REPAIR);
  });
});

test.each(["sweeper", "verifier", "sweep-caller"])(
  "the %s's role has one inline policy, no managed one, a fixed place, and is a service's to take",
  (name) => {
    const { inputs } = stage.one("iam/role:Role", `-${name}`);
    expect(inputs).toMatchObject({ name: `tenantkeys-dev-${name}`, path: "/tenantkeys/", managedPolicyArns: [] });
    expect(inputs.inlinePolicies).toHaveLength(1);
    const [statement] = stage.statements(`tenantkeys-dev-${name} assumeRolePolicy`);
    const service = name === "sweep-caller" ? "scheduler" : "lambda";
    expect(statement).toMatchObject({ Principal: { Service: `${service}.amazonaws.com` }, Action: "sts:AssumeRole" });
  },
);

test.each(["verification", "verification-dlq", "guard-events", "guard-dlq"])(
  "the queue %s keeps messages for 14 days, SQS's longest, encrypted",
  (name) => {
    expect(stage.one("sqs/queue:Queue", `tenantkeys-dev-${name}`).inputs).toMatchObject({
      messageRetentionSeconds: 14 * 24 * 60 * 60,
      sqsManagedSseEnabled: true,
    });
  },
);

describe("the guard's rule", () => {
  const rule = (of: RecordedStage, nameEnd: string) => of.one("cloudwatch/eventRule:EventRule", nameEnd);

  test("is on the account's default bus, where AWS's own events are, and in the ordinary state", () => {
    expect(rule(stage, "-guard").inputs.eventBusName).toBeUndefined();
    expect(rule(stage, "-guard").inputs.state ?? "ENABLED").toBe("ENABLED");
    const pattern = guardPattern(parseRoleArn(role("provisioner")));
    expect(JSON.parse(String(rule(stage, "-guard").inputs.eventPattern))).toEqual(JSON.parse(JSON.stringify(pattern)));
  });

  test("hands each event on whole, tries for an hour, and then rings by its dead-letter queue", () => {
    const { inputs } = stage.where("cloudwatch/eventTarget:EventTarget", { rule: "tenantkeys-dev-guard" });
    expect(inputs).toMatchObject({
      arn: arn("sqs", "tenantkeys-dev-guard-events"),
      deadLetterConfig: { arn: arn("sqs", "tenantkeys-dev-guard-dlq") },
      retryPolicy: { maximumEventAgeInSeconds: 3_600, maximumRetryAttempts: 185 },
    });
    expect(Object.keys(inputs).filter((name) => name.startsWith("input"))).toEqual([]);
  });

  test("for uses of keys is there only when the stage watches them, and sees read-only events then", () => {
    const rules = (of: RecordedStage) => of.ofType("cloudwatch/eventRule:EventRule").map(({ inputs }) => inputs.name);
    expect(rules(stage)).not.toContain("tenantkeys-dev-key-use");
    expect(rule(watched, "-key-use").inputs).toMatchObject({
      state: "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
      eventPattern: JSON.stringify(keyUsePattern()),
    });
    expect(
      watched.where("cloudwatch/eventTarget:EventTarget", { rule: "tenantkeys-dev-key-use" }).inputs,
    ).toMatchObject({
      arn: arn("sqs", "tenantkeys-dev-verification"),
      deadLetterConfig: { arn: arn("sqs", "tenantkeys-dev-guard-dlq") },
    });
  });

  const sources = (of: RecordedStage, queue: string) => {
    const { id } = of.one("sqs/queue:Queue", `tenantkeys-dev-${queue}`);
    const policies = of.ofType("sqs/queuePolicy:QueuePolicy").filter(({ inputs }) => inputs.queueUrl === id);
    return policies.flatMap(({ inputs }) => {
      const { Statement } = JSON.parse(String(inputs.policy));
      expect(Statement).toMatchObject([
        {
          Effect: "Allow",
          Principal: { Service: "events.amazonaws.com" },
          Action: "sqs:SendMessage",
          Condition: { StringEquals: { "aws:SourceAccount": ACCOUNT_ID } },
        },
      ]);
      return asList<string>(Statement[0].Condition.ArnEquals["aws:SourceArn"]);
    });
  };

  test("and no other may put messages into the guard's queues; into the shards' queue no rule may at all", () => {
    const guard = arn("events", "rule/tenantkeys-dev-guard");
    const keyUse = arn("events", "rule/tenantkeys-dev-key-use");
    expect([sources(stage, "guard-events"), sources(stage, "guard-dlq")]).toEqual([[guard], [guard]]);
    expect(sources(stage, "verification")).toEqual([]);
    expect([sources(watched, "guard-events"), sources(watched, "guard-dlq")]).toEqual([[guard], [guard, keyUse]]);
    expect(sources(watched, "verification")).toEqual([keyUse]);
  });
});
