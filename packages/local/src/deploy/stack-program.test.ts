import { afterAll, describe, expect, test, vi } from "vitest";
import { recordStacks } from "./record-stacks.ts";
import type { StackResource } from "./resource-provider.ts";
import { CONFIG, makeTestProject, type TestProject } from "./test-project.ts";

// Two cores run the stacks program in 2 to 3 s; the first test may have to install SST.
vi.setConfig({ testTimeout: 240_000 });

const projects: TestProject[] = [];
afterAll(() => Promise.all(projects.map((project) => project.remove())));

async function record(
  main: string,
  options: Partial<Parameters<typeof recordStacks>[0]> = {},
  files: Readonly<Record<string, string>> = {},
): Promise<readonly StackResource[]> {
  const project = await makeTestProject({ "stacks/main.ts": main, ...files });
  projects.push(project);
  return recordStacks({ projectRoot: project.projectRoot, stage: "dev", ...options });
}

const HANDLER = { "src/worker.ts": "export const handler = async () => {};" };
const TRUST = `JSON.stringify({ Version: "2012-10-17", Statement: [] })`;

const find = (resources: readonly StackResource[], name: string) =>
  resources.find((resource) => resource.name === name);

describe.concurrent("the stacks program", () => {
  test("shows what SST's components make, with the inputs and options of each resource", async () => {
    const resources = await record(
      `import { NAME } from "./name.ts";
       export const outputs = {};
       const bus = new sst.aws.Bus("Events");
       const dlq = new sst.aws.Queue("Dead");
       const queue = new sst.aws.Queue("Work", { dlq: dlq.arn, visibilityTimeout: "1 minute" });
       bus.subscribeQueue("Wanted", queue, { pattern: { detailType: ["TenantSignedUp"] } });
       new sst.aws.Dynamo("Registry", {
         fields: { pk: "string" }, primaryIndex: { hashKey: "pk" }, deletionProtection: true,
         transform: { table: (args, opts) => { args.name = NAME; opts.retainOnDelete = true; opts.import = NAME; } },
       });
       const role = new aws.iam.Role("Worker", { name: "worker", assumeRolePolicy: ${TRUST} }, { protect: true });
       queue.subscribe({ handler: "src/worker.handler", role: role.arn, nodejs: { minify: true } });`,
      { existingArns: ["arn:aws:dynamodb:eu-west-1:111122223333:table/notes-registry"] },
      { ...HANDLER, "stacks/name.ts": 'export const NAME: string = "notes-registry";' },
    );

    expect(find(resources, "RegistryTable")).toMatchObject({
      type: "aws:dynamodb/table:Table",
      id: "notes-registry",
      arn: "arn:aws:dynamodb:eu-west-1:111122223333:table/notes-registry",
      parent: "Registry",
      retainOnDelete: true,
      protect: false,
      importId: "notes-registry",
      inputs: { hashKey: "pk", deletionProtectionEnabled: true, pointInTimeRecovery: { enabled: true } },
    });
    const dead = find(resources, "DeadQueue");
    const work = find(resources, "WorkQueue");
    expect(JSON.parse(String(work?.inputs.redrivePolicy))).toEqual({
      deadLetterTargetArn: dead?.arn,
      maxReceiveCount: 3,
    });
    expect(find(resources, "EventsSubscriberWantedTarget")?.inputs.arn).toBe(work?.arn);
    expect(find(resources, "Worker")).toMatchObject({ protect: true, retainOnDelete: false, referenced: false });
    const lambda = resources.find(({ type }) => type === "aws:lambda/function:Function");
    expect(lambda?.inputs).toMatchObject({ runtime: "nodejs24.x", role: "arn:aws:iam::111122223333:role/worker" });
    expect(
      resources.some(({ type, referenced, id }) => type === "aws:iam/role:Role" && referenced && id === "worker"),
    ).toBe(true);
    expect(resources.some(({ type }) => type === "aws:lambda/eventSourceMapping:EventSourceMapping")).toBe(true);
  });

  test("retains what SST's removal policy retains", async () => {
    const main = `export const outputs = {};
      new sst.aws.Dynamo("Registry", { fields: { pk: "string" }, primaryIndex: { hashKey: "pk" } });`;
    const removed = await record(main);
    const kept = await record(main, { stage: "kept" });
    expect(find(removed, "RegistryTable")?.retainOnDelete).toBe(false);
    expect(find(kept, "RegistryTable")?.retainOnDelete).toBe(true);
  });

  test("makes the same names in every run", async () => {
    const main = `export const outputs = {}; new sst.aws.Bus("Events"); new sst.aws.Queue("Work");`;
    const ids = (resources: readonly StackResource[]) => resources.map(({ id }) => id).sort();
    const first = ids(await record(main));
    expect(first[0]).toMatch(/^https:.*notes-dev-WorkQueue-[a-z]{8}$/);
    expect(ids(await record(main))).toEqual(first);
  });

  test("gets the settings of its stage from the environment, and nobody's AWS credentials", async () => {
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "a real one");
    const resources = await record(
      `export const outputs = {};
       const { TK_SETTING, AWS_SECRET_ACCESS_KEY } = process.env;
       new aws.sqs.Queue("Work", { name: [TK_SETTING, AWS_SECRET_ACCESS_KEY ?? "none"].join("-") });`,
      { env: { TK_SETTING: "seven" } },
    );
    expect(find(resources, "Work")?.inputs.name).toBe("seven-none");
  });

  test("answers what is in the account: nothing, or what the caller says", async () => {
    const main = `export const outputs = {};
      const { names } = await aws.iam.getRoles({ pathPrefix: "/kept/", nameRegex: "^worker$" });
      const role = await aws.iam.getRole({ name: "worker" }).then(({ arn }) => arn, () => "no role");
      new aws.sqs.Queue("Work", { name: [...names, role].join(" ") });`;
    const arn = "arn:aws:iam::111122223333:role/kept/worker";
    expect(find(await record(main), "Work")?.inputs.name).toBe("no role");
    expect(find(await record(main, { existingArns: [arn] }), "Work")?.inputs.name).toBe(`worker ${arn}`);
  });

  test.each([
    [
      "an error in an apply(), with its place",
      `export const outputs = {};
       new sst.aws.Queue("Work").arn.apply(() => {
         throw new Error("no such thing");
       });`,
      { code: "stacks_failed", message: expect.stringMatching(/stacks\/main\.ts:3.*no such thing/s) },
    ],
    [
      "an error in run()",
      `throw new Error("settings are missing"); export const outputs = {};`,
      { code: "stacks_failed", message: expect.stringContaining("settings are missing") },
    ],
    [
      "a role that the stack only refers to and that isn't there",
      `export const outputs = {}; aws.iam.Role.get("Missing", "nobody");`,
      { code: "resource_failed", message: expect.stringMatching(/^Missing \(aws:iam\/role:Role\): .*nobody/) },
    ],
    [
      "an import of what isn't there",
      `export const outputs = {};
       new aws.iam.Role("Kept", { name: "kept", assumeRolePolicy: ${TRUST} }, { import: "kept" });`,
      { code: "resource_failed", message: expect.stringMatching(/^Kept .*import/) },
    ],
    [
      "a promise that is never settled, with what waits for it",
      `export const outputs = {}; new aws.sqs.Queue("Work", { name: new Promise(() => {}) });`,
      { code: "stacks_stuck", message: expect.stringContaining("resource:Work[aws:sqs/queue:Queue]") },
    ],
    [
      "a handler that isn't there",
      `export const outputs = {}; new sst.aws.Function("Sweep", { handler: "src/nowhere.handler" });`,
      { code: "stacks_failed", message: expect.stringContaining("src/nowhere.handler") },
    ],
    [
      "a provider function that nobody can answer",
      `export const outputs = {}; await aws.ec2.getVpc({});`,
      { code: "stacks_failed", message: expect.stringContaining("aws:ec2/getVpc:getVpc") },
    ],
  ])("fails on %s", async (_, main, refusal) => {
    await expect(record(main)).rejects.toMatchObject(refusal);
  });

  test("refuses an import at the top of sst.config.ts, as SST does", async () => {
    const files = { "sst.config.ts": `import { outputs } from "./stacks/main.ts"; outputs;\n${CONFIG}` };
    await expect(record("export const outputs = {};", {}, files)).rejects.toMatchObject({
      code: "stacks_invalid",
      message: expect.stringContaining("refuses imports at the top"),
    });
  });
});
