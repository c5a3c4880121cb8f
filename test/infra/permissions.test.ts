/** Who may do what: the roles and policies of a stage, statement by statement. */
import { CRYPTOGRAPHIC_ACTIONS, EVERY_USE_ACTION, type PolicyStatement, SERVICE_GRANT_ACTIONS } from "@tenantkeys/core";
import { beforeAll, describe, expect, test } from "vitest";
import { ACCOUNT_ID, asList, REGION, type RecordedStage, recordStage } from "./recorded-stage.ts";

const PROVISIONER = "tenantkeys-dev-provisioner inline provisioner";
const AUDITOR = "tenantkeys-dev-auditor inline auditor";
const SWEEPER = "tenantkeys-dev-sweeper inline sweeper";
const VERIFIER = "tenantkeys-dev-verifier inline verifier";
const CANARY = "tenantkeys-dev-canary-runner inline canary";
const OPERATOR = "tenantkeys-dev-operator policy";
const BOUNDARY = "tenantkeys-dev-tenant-boundary policy";

/** Every statement that allows something on every resource, and why it can't be narrower. */
const EVERY_RESOURCE: Readonly<Record<string, string>> = {
  [`${PROVISIONER}: MakeKeysOfThisStage`]: "a key has no ARN before it is made; the request's stage tag narrows it",
  [`${PROVISIONER}: FindKeysByTag`]: "tag:GetResources knows no narrower resource; it reads names and tags only",
  [`${AUDITOR}: ListAliases`]: "kms:ListAliases is allowed by IAM alone, on no narrower resource; it reads names",
  [`${AUDITOR}: ListRolesInBulk`]: "iam:GetAccountAuthorizationDetails knows no narrower resource; it reads roles",
  [`${AUDITOR}: FindKeysByTag`]: "tag:GetResources knows no narrower resource; it reads names and tags only",
  [`${SWEEPER}: PutTheStagesMetrics`]: "metrics have no ARN; the condition keeps it to the stage's namespace",
  [`${VERIFIER}: PutTheStagesMetrics`]: "metrics have no ARN; the condition keeps it to the stage's namespace",
  [`${CANARY}: PutTheStagesMetrics`]: "metrics have no ARN; the condition keeps it to the stage's namespace",
  [`${OPERATOR}: ValidatePolicies`]: "Access Analyzer is asked about a document; it reads nothing of the account",
  [`${BOUNDARY}: TouchDataAtMost`]:
    "a boundary grants nothing, and where tenants' data lies is the application's business",
};

const TENANT_ROLES = `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/dev/tk-dev-*`;
const THE_BOUNDARY = `arn:aws:iam::${ACCOUNT_ID}:policy/tenantkeys/tenantkeys-dev-tenant-boundary`;
const OUR_STAGE = { "aws:RequestTag/tenantkeys:stage": "dev" };

const REPLICA_REGIONS = ["eu-central-1", "us-east-1"];
const JOB_ROLES = [`arn:aws:iam::${ACCOUNT_ID}:role/jobs/nightly`];
const RICH_PROFILES = {
  global: { replicaRegions: REPLICA_REGIONS },
  volumes: { serviceGrants: true },
  jobs: { jobRoleArns: JOB_ROLES },
  hardware: { origin: "AWS_CLOUDHSM", customKeyStoreId: "cks-1234567890abcdef0" },
} as const;

let stage: RecordedStage;
let longest: RecordedStage;
/** A stage with a profile of every kind, whose tenants share a role. */
let rich: RecordedStage;

beforeAll(async () => {
  [stage, longest, rich] = await Promise.all([
    recordStage(),
    recordStage({
      stage: "s".repeat(20),
      settings: { maximumConcurrency: 1000, roleMode: "session-tag", profiles: { default: {}, ...RICH_PROFILES } },
    }),
    recordStage({ settings: { roleMode: "session-tag", profiles: { default: {}, ...RICH_PROFILES } } }),
  ]);
});

const allowing = (document: string, action: RegExp): readonly PolicyStatement[] =>
  stage
    .statements(document)
    .filter(({ Effect }) => Effect === "Allow")
    .filter(({ Action }) => asList(Action).some((name) => action.test(name)));

const actionsOf = (document: string) =>
  stage
    .statements(document)
    .filter(({ Effect }) => Effect === "Allow")
    .flatMap(({ Action }) => asList(Action));

describe("every statement of the stage", () => {
  const each = () =>
    [...stage.documents()].flatMap(([document, { Statement }]) =>
      Statement.map((statement) => ({ name: `${document}: ${statement.Sid}`, statement })),
    );

  test("has a Sid, which no other of its document has", () => {
    for (const [document, { Statement }] of stage.documents()) {
      const sids = Statement.map(({ Sid }) => Sid);
      for (const sid of sids) expect(sid, document).toMatch(/^[A-Za-z0-9]+$/);
      expect(new Set(sids).size, document).toBe(sids.length);
    }
    expect(stage.documents().size).toBe(26);
  });

  test("names its actions one by one, and what it is about by what it is", () => {
    for (const { name, statement } of each()) {
      for (const action of asList(statement.Action)) expect(action, name).toMatch(/^[a-z0-9-]+:[A-Za-z]+$/);
      for (const element of ["NotAction", "NotResource", "NotPrincipal"])
        expect(statement, name).not.toHaveProperty(element);
    }
  });

  test("that allows something on every resource has a reason", () => {
    const onEverything = each()
      .filter(({ statement }) => statement.Effect === "Allow" && asList(statement.Resource).includes("*"))
      .map(({ name }) => name);
    expect(onEverything.toSorted()).toEqual(Object.keys(EVERY_RESOURCE).toSorted());
  });

  test("lets in no principal but a service, this account or one of its roles", () => {
    const principals = each().flatMap(({ statement }) => Object.values(statement.Principal ?? {}).flatMap(asList));
    expect([...new Set(principals)].toSorted()).toEqual([
      `arn:aws:iam::${ACCOUNT_ID}:root`,
      "cloudwatch.amazonaws.com",
      "events.amazonaws.com",
      "lambda.amazonaws.com",
      "scheduler.amazonaws.com",
    ]);
  });
});

describe("the provisioner's role", () => {
  const role = () => stage.one("iam/role:Role", "-provisioner");

  test("has a fixed name and path, as key policies name it, and only Lambda may take it", () => {
    expect(role().inputs).toMatchObject({ name: "tenantkeys-dev-provisioner", path: "/tenantkeys/" });
    expect(role().inputs).not.toHaveProperty("namePrefix");
    expect(stage.statements("tenantkeys-dev-provisioner assumeRolePolicy")).toMatchObject([
      { Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" },
    ]);
  });

  test("has this one inline policy and no managed one", () => {
    expect(role().inputs.managedPolicyArns).toEqual([]);
    expect(role().inputs.inlinePolicies).toHaveLength(1);
    expect(stage.ofType("iam/rolePolicy:RolePolicy")).toEqual([]);
    expect(stage.ofType("iam/rolePolicyAttachment:RolePolicyAttachment")).toEqual([]);
  });

  test("may do nothing with a key but make, tag, name and describe one, all but the last under this stage's tags or names", () => {
    expect(allowing(PROVISIONER, /^kms:/i)).toEqual([
      {
        Sid: "MakeKeysOfThisStage",
        Effect: "Allow",
        Action: "kms:CreateKey",
        Resource: "*",
        Condition: { StringEquals: OUR_STAGE },
      },
      {
        Sid: "TagKeysOfThisStageWhenMade",
        Effect: "Allow",
        Action: "kms:TagResource",
        Resource: [`arn:aws:kms:${REGION}:${ACCOUNT_ID}:key/*`],
        Condition: {
          StringEquals: OUR_STAGE,
          "ForAllValues:StringEquals": {
            "aws:TagKeys": ["tenantkeys:stage", "tenantkeys:tenant", "tenantkeys:key", "tenantkeys:attempt"],
          },
        },
      },
      {
        Sid: "NameKeys",
        Effect: "Allow",
        Action: ["kms:CreateAlias", "kms:UpdateAlias"],
        Resource: [`arn:aws:kms:${REGION}:${ACCOUNT_ID}:alias/tenantkeys/dev/*`],
      },
      {
        // Without an alias, whose names are the stage's alone, it can be used for nothing.
        Sid: "MoveOurNamesOffAnyKey",
        Effect: "Allow",
        Action: "kms:UpdateAlias",
        Resource: [`arn:aws:kms:${REGION}:${ACCOUNT_ID}:key/*`],
      },
      {
        Sid: "TellKeysThatAreGone",
        Effect: "Allow",
        Action: "kms:DescribeKey",
        Resource: [`arn:aws:kms:${REGION}:${ACCOUNT_ID}:key/*`],
      },
    ]);
  });

  test("is denied every cryptographic action on every key, under no condition", () => {
    const denials = stage.statements(PROVISIONER).filter(({ Effect }) => Effect === "Deny");
    expect(denials).toEqual([
      { Sid: "NeverUseAnyKey", Effect: "Deny", Action: [...CRYPTOGRAPHIC_ACTIONS], Resource: "*" },
    ]);
    const denied = new Set<string>(CRYPTOGRAPHIC_ACTIONS);
    // These are in the tenant's set too, and read no data.
    const reading = ["kms:DescribeKey", "kms:GetPublicKey"];
    expect(EVERY_USE_ACTION.filter((action) => !reading.includes(action) && !denied.has(action))).toEqual([]);
  });

  test("may make roles and give them policies only under the tenants' path and under the boundary", () => {
    for (const statement of allowing(PROVISIONER, /^iam:(Create|Put|Attach)/)) {
      expect(statement.Resource).toBe(TENANT_ROLES);
      expect(statement.Condition).toEqual({ StringEquals: { "iam:PermissionsBoundary": THE_BOUNDARY } });
    }
    expect(allowing(PROVISIONER, /^iam:(CreateRole|PutRolePermissionsBoundary|PutRolePolicy)$/)).toHaveLength(1);
  });

  test("may do these things in IAM and no others: it takes no boundary off, puts none but ours, and passes no role on", () => {
    const actions = actionsOf(PROVISIONER).filter((action) => action.startsWith("iam:"));
    expect(actions.toSorted()).toEqual([
      "iam:CreateRole",
      "iam:DeleteRole",
      "iam:DeleteRolePolicy",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListRolePolicies",
      "iam:PutRolePermissionsBoundary",
      "iam:PutRolePolicy",
      "iam:TagRole",
      "iam:UpdateAssumeRolePolicy",
    ]);
    for (const { Resource, Action } of allowing(PROVISIONER, /^iam:/)) {
      if (!asList(Action).every((action) => /^iam:(Get|List)/.test(action))) expect(Resource).toBe(TENANT_ROLES);
      for (const arn of asList(Resource)) expect(arn).toMatch(/\/tk-dev-\*$/);
    }
  });

  test("can't reach its own role, the shared one or another stage's by the names that it may use", () => {
    const matches = (pattern: string, arn: string) =>
      new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`).test(arn);
    const roles = [
      `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/tenantkeys-dev-provisioner`,
      `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/tenantkeys-dev-auditor`,
      `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/tenantkeys-dev-tenant`,
      `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/production/tk-production-acme`,
      `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/dev2/tk-dev2-acme`,
    ];
    const reachable = allowing(PROVISIONER, /^iam:/).flatMap(({ Resource }) => asList(Resource));
    for (const role of roles)
      expect(
        reachable.filter((pattern) => matches(pattern, role)),
        role,
      ).toEqual([]);
    expect(matches(TENANT_ROLES, `arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/dev/tk-dev-acme`)).toBe(true);
  });

  test("may keep the registry, reply on the bus, take from its queue, have keys verified and write its own log, each by its ARN", () => {
    const rest = stage
      .statements(PROVISIONER)
      .filter(({ Action }) => asList(Action).every((action) => !/^(iam|kms|tag):/.test(action)));
    expect(rest.map(({ Action, Resource }) => [Action, Resource])).toEqual([
      [
        ["dynamodb:ConditionCheckItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
        stage.one("dynamodb/table:Table").arn,
      ],
      ["events:PutEvents", stage.one("cloudwatch/eventBus:EventBus").arn],
      ["sqs:SendMessage", `arn:aws:sqs:${REGION}:${ACCOUNT_ID}:tenantkeys-dev-verification`],
      [
        ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
        stage.one("sqs/queue:Queue", "-provisioning").arn,
      ],
      [
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        `${stage.one("cloudwatch/logGroup:LogGroup", "-provision").arn}:*`,
      ],
    ]);
  });
});

describe("the auditor's role", () => {
  test("has a fixed name and path, and IAM decides who of this account may take it", () => {
    expect(stage.one("iam/role:Role", "-auditor").inputs).toMatchObject({
      name: "tenantkeys-dev-auditor",
      path: "/tenantkeys/",
    });
    expect(stage.statements("tenantkeys-dev-auditor assumeRolePolicy")).toMatchObject([
      { Principal: { AWS: `arn:aws:iam::${ACCOUNT_ID}:root` }, Action: "sts:AssumeRole" },
    ]);
  });

  test("reads, changes nothing, and may of keys only ask whether they are there: their own policies let it look", () => {
    expect(actionsOf(AUDITOR).toSorted()).toEqual([
      "iam:GetAccountAuthorizationDetails",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListAttachedRolePolicies",
      "iam:ListRolePolicies",
      "kms:DescribeKey",
      "kms:ListAliases",
      "tag:GetResources",
    ]);
    expect(allowing(AUDITOR, /^kms:DescribeKey$/)[0]?.Resource).toEqual([`arn:aws:kms:${REGION}:${ACCOUNT_ID}:key/*`]);
  });
});

describe("the operator's policy", () => {
  test("touches neither keys nor roles but by taking the auditor's", () => {
    expect(actionsOf(OPERATOR).filter((action) => /^(kms|iam):/.test(action))).toEqual([]);
    expect(allowing(OPERATOR, /^sts:/)).toMatchObject([
      { Action: "sts:AssumeRole", Resource: stage.one("iam/role:Role", "-auditor").arn },
    ]);
  });

  test("names this stage's bus, table and queues only, and can't empty the queue of the worker", () => {
    const about = stage.statements(OPERATOR).filter(({ Sid }) => Sid !== "ValidatePolicies");
    const named = about.flatMap(({ Resource }) => asList(Resource));
    expect(named.filter((arn) => !arn.includes("tenantkeys-dev"))).toEqual([]);
    // A replay of the archive has no ARN before it is started; its name begins with the stage's, which no other's does.
    expect(named.filter((arn) => arn.includes("*"))).toEqual([
      `arn:aws:events:${REGION}:${ACCOUNT_ID}:replay/tenantkeys-dev-*`,
    ]);
    const onWorkersQueue = stage
      .statements(OPERATOR)
      .filter(({ Resource }) => asList(Resource).some((arn) => arn.endsWith("tenantkeys-dev-provisioning")));
    expect(onWorkersQueue.flatMap(({ Action }) => asList(Action))).toEqual(["sqs:GetQueueUrl", "sqs:SendMessage"]);
  });

  test("lists findings and whose keys are whose, and reads every dead-letter queue", () => {
    const table = stage.one("dynamodb/table:Table").arn;
    const resources = (sid: string) =>
      stage.statements(OPERATOR).flatMap(({ Sid, Resource }) => (Sid === sid ? asList(Resource) : []));
    expect(resources("ListFindings")).toEqual([`${table}/index/findings`, `${table}/index/keys`]);
    const deadLetters = stage.ofType("sqs/queue:Queue").filter(({ inputs }) => String(inputs.name).endsWith("-dlq"));
    expect(resources("ReplayDeadLetters").toSorted()).toEqual(deadLetters.map(({ arn }) => arn).toSorted());
  });

  test("starts replays of this stage's archive, and can't stop or change anything of EventBridge", () => {
    expect(actionsOf(OPERATOR).filter((action) => action.startsWith("events:"))).toEqual([
      "events:PutEvents",
      "events:DescribeArchive",
      "events:DescribeReplay",
      "events:StartReplay",
    ]);
    expect(allowing(OPERATOR, /^events:StartReplay$/)[0]?.Resource).toContain(
      stage.one("cloudwatch/eventArchive:EventArchive").arn,
    );
  });
});

describe("the boundary of tenants' roles", () => {
  test("is the use of keys and the stage's data actions: no administration of keys, no IAM, no other role", () => {
    const actions = actionsOf(BOUNDARY);
    expect(actions.filter((action) => action.startsWith("kms:"))).toEqual(EVERY_USE_ACTION);
    expect(actions.filter((action) => /^(iam|sts|organizations|lambda):/.test(action))).toEqual([]);
    expect(allowing(BOUNDARY, /^kms:/)[0]?.Resource).toBe(`arn:aws:kms:${REGION}:${ACCOUNT_ID}:key/*`);
  });

  test("is the one that the provisioner has to put on every role", () => {
    expect(stage.one("iam/policy:Policy", "-tenant-boundary").arn).toBe(THE_BOUNDARY);
  });
});

describe("a stage with replicas, a custom key store, grants for services and one role for all tenants", () => {
  const allowed = (document: string, sid: string) =>
    rich.statements(document).find(({ Sid, Effect }) => Sid === sid && Effect === "Allow");
  const inEveryRegion = (resource: string) =>
    [REGION, ...REPLICA_REGIONS].map((region) => `arn:aws:kms:${region}:${ACCOUNT_ID}:${resource}`);

  test("lets the provisioner tag, name and describe keys in the Regions of its profiles, each by its name", () => {
    expect(allowed(PROVISIONER, "TagKeysOfThisStageWhenMade")?.Resource).toEqual(inEveryRegion("key/*"));
    expect(allowed(PROVISIONER, "TellKeysThatAreGone")?.Resource).toEqual(inEveryRegion("key/*"));
    expect(allowed(PROVISIONER, "NameKeys")?.Resource).toEqual(inEveryRegion("alias/tenantkeys/dev/*"));
  });

  test("lets the provisioner see custom key stores, and KMS keep replicas alike", () => {
    expect(allowed(PROVISIONER, "SeeCustomKeyStores")).toEqual({
      Sid: "SeeCustomKeyStores",
      Effect: "Allow",
      Action: "kms:DescribeCustomKeyStores",
      Resource: "*",
    });
    expect(allowed(PROVISIONER, "LetKmsSynchronizeReplicas")).toMatchObject({
      Action: "iam:CreateServiceLinkedRole",
      Resource: expect.stringContaining(":role/aws-service-role/mrk.kms.amazonaws.com/"),
      Condition: { StringEquals: { "iam:AWSServiceName": "mrk.kms.amazonaws.com" } },
    });
    const sids = stage.statements(PROVISIONER).map(({ Sid }) => Sid);
    expect(sids.filter((sid) => /Custom|Replicas/.test(sid))).toEqual([]);
  });

  test("keeps tenants to the use of keys and to grants that services make or jobs get, in every Region", () => {
    const everyKey = `arn:aws:kms:*:${ACCOUNT_ID}:key/*`;
    expect(allowed(BOUNDARY, "UseKeysAtMost")).toMatchObject({ Action: EVERY_USE_ACTION, Resource: everyKey });
    expect(allowed(BOUNDARY, "GrantToServicesAtMost")).toMatchObject({
      Action: SERVICE_GRANT_ACTIONS,
      Resource: everyKey,
      Condition: { Bool: { "kms:GrantIsForAWSResource": "true" } },
    });
    expect(allowed(BOUNDARY, "GrantToJobsAtMost")).toMatchObject({
      Action: ["kms:CreateGrant"],
      Condition: { StringEquals: { "kms:GrantConstraintType": expect.any(Array) } },
    });
  });

  test("has the tenants' role under the boundary, with no policy of its own, for tagged sessions only", () => {
    const role = rich.one("iam/role:Role", "-dev-tenant");
    expect(role.inputs).toMatchObject({
      name: "tenantkeys-dev-tenant",
      path: "/tenantkeys/",
      permissionsBoundary: THE_BOUNDARY,
    });
    expect(role.inputs.inlinePolicies ?? []).toEqual([]);
    expect(role.inputs.managedPolicyArns ?? []).toEqual([]);
    const [ofApplications, ofCanary, ...more] = rich.statements("tenantkeys-dev-tenant assumeRolePolicy");
    expect(more).toEqual([]);
    // What it may be there, its own tests say (canary.test.ts).
    expect(ofCanary?.Principal).toEqual({
      AWS: [`arn:aws:iam::${ACCOUNT_ID}:role/tenantkeys/tenantkeys-dev-canary-runner`],
    });
    expect([ofApplications]).toEqual([
      {
        Sid: "AssumeForOneTenantOnly",
        Effect: "Allow",
        Principal: { AWS: [`arn:aws:iam::${ACCOUNT_ID}:role/app`] },
        Action: ["sts:AssumeRole", "sts:TagSession"],
        Condition: {
          StringLike: { "aws:RequestTag/tenant": "?*" },
          "ForAllValues:StringEquals": { "aws:TagKeys": ["tenant"] },
        },
      },
    ]);
    expect(stage.ofType("iam/role:Role").map(({ inputs }) => inputs.name)).not.toContain("tenantkeys-dev-tenant");
  });
});

describe("the queues' policies", () => {
  test.each(["-provisioning", "-sign-ups-dlq"])("let only this stage's rule put messages into %s", (name) => {
    const queue = stage.one("sqs/queue:Queue", name);
    const policies = stage.ofType("sqs/queuePolicy:QueuePolicy").filter(({ inputs }) => inputs.queueUrl === queue.id);
    expect(policies).toHaveLength(1);
    expect(JSON.parse(String(policies[0]?.inputs.policy)).Statement).toEqual([
      {
        Sid: "SignUpRuleSends",
        Effect: "Allow",
        Principal: { Service: "events.amazonaws.com" },
        Action: "sqs:SendMessage",
        Resource: queue.arn,
        Condition: {
          ArnEquals: { "aws:SourceArn": stage.one("cloudwatch/eventRule:EventRule", "-sign-ups").arn },
          StringEquals: { "aws:SourceAccount": ACCOUNT_ID },
        },
      },
    ]);
  });

  test("are four with the guard's: SQS itself moves messages into a queue's dead-letter queue and needs none", () => {
    expect(stage.ofType("sqs/queuePolicy:QueuePolicy")).toHaveLength(4);
  });
});

test("the bus has no policy: only this account puts events on it", () => {
  expect(stage.ofType("cloudwatch/eventBusPolicy:EventBusPolicy")).toEqual([]);
});

test("with the longest stage name every document and name is within IAM's limits", () => {
  for (const [name, document] of longest.documents()) {
    const characters = JSON.stringify(document).length;
    const maximum = name.includes(" inline ") ? 10_240 : name.endsWith("assumeRolePolicy") ? 2_048 : 6_144;
    expect(characters, name).toBeLessThanOrEqual(maximum);
  }
  for (const { inputs } of [...longest.ofType("iam/role:Role"), ...longest.ofType("lambda/function:Function")]) {
    expect(String(inputs.name).length).toBeLessThanOrEqual(64);
  }
});
