/** `npm start`: the main job, end to end, on one machine. */
import { once } from "node:events";
import { type Credentials, connectOperator, type Operator, startRun, systemClock } from "@tenantkeys/aws";
import { Listr, PRESET_TIMER } from "listr2";
import { type LocalStage, startLocalStage } from "../local-stage.ts";
import { operatorSession } from "../operator-role.ts";
import { type FirstRun, loadSamples, type SecondRun, sendAgain, signUpAll, tryIsolation } from "./demonstration.ts";
import { parseStartOptions, type StartOptions, USAGE } from "./options.ts";
import { progressBar } from "./progress.ts";
import { keyTable, matrixTable, refusalTable } from "./report.ts";
import type { Sample } from "./sample-events.ts";

interface Learned {
  stage?: LocalStage;
  operator?: Operator;
  samples?: readonly Sample[];
  first?: FirstRun;
  matrix?: Awaited<ReturnType<typeof tryIsolation>>;
  second?: SecondRun;
}

type Ready = Required<Learned>;

async function main(options: StartOptions): Promise<number> {
  const startedAtMs = Date.now();
  const learned: Learned = {};
  try {
    await tasks(options).run(learned);
    const { first, matrix, second, samples, stage } = learned as Ready;
    const problems = [...first.problems, ...matrix.violations, ...second.problems];
    report(first, matrix);
    summarize(samples, first, matrix, second, stage, Date.now() - startedAtMs);
    for (const problem of problems) console.log(`NOT AS IT SHOULD BE: ${problem}`);
    if (options.keep) await keepRunning(stage);
    return problems.length === 0 ? 0 : 1;
  } finally {
    learned.operator?.close();
    await learned.stage?.stop();
  }
}

function tasks(options: StartOptions) {
  return new Listr<Learned>(
    [
      {
        title: "Start the local AWS and deploy the stacks",
        task: async (learned, task) => {
          const stage = await startLocalStage({ onProgress: (text) => (task.output = text) });
          learned.stage = stage;
          const client = { ...stage.at, credentials: stage.emulator.credentials };
          learned.operator = await connectOperator(client, startRun(systemClock, 30_000, 1_000), stage.settings.stage);
          task.title = `Local AWS at ${stage.emulator.endpoint}, stacks deployed`;
        },
      },
      {
        title: "Sign tenants up",
        task: async (learned, task) => {
          const { operator } = learned as Ready;
          learned.samples = await loadSamples(options.tenants);
          const show = (done: number, total: number) => (task.title = `Sign tenants up  ${progressBar(done, total)}`);
          learned.first = await signUpAll(operator, learned.samples, show);
        },
      },
      {
        title: "Try every tenant against every other",
        task: async (learned, task) => {
          const { stage, first } = learned as Ready;
          const show = (done: number, total: number) =>
            (task.title = `Try every tenant against every other  ${progressBar(done, total)}`);
          learned.matrix = await tryIsolation(stage, first.records, options.matrixTenants, show);
        },
      },
      {
        title: "Send every event again",
        task: async (learned, task) => {
          const { stage, operator, samples, first } = learned as Ready;
          const show = (done: number, total: number) =>
            (task.title = `Send every event again  ${progressBar(done, total)}`);
          learned.second = await sendAgain(stage, operator, samples, first, show);
        },
      },
    ],
    {
      fallbackRenderer: "simple",
      rendererOptions: { collapseSubtasks: false, timer: PRESET_TIMER },
      fallbackRendererOptions: { timer: PRESET_TIMER },
    },
  );
}

function report(first: FirstRun, matrix: Ready["matrix"]): void {
  console.log(`\n${keyTable(first.records, first.publishedAtMs)}`);
  if (first.refused.length > 0) console.log(`\n${refusalTable(first.refused)}`);
  console.log(`\n${matrixTable(matrix)}\n`);
}

function summarize(
  samples: readonly Sample[],
  first: FirstRun,
  matrix: Ready["matrix"],
  second: SecondRun,
  stage: LocalStage,
  durationMs: number,
): void {
  const tenants = new Set(first.records.map((record) => record.tenantId)).size;
  const active = first.records.filter((record) => record.state === "active").length;
  const refused = first.refused.length;
  const accounted = samples.filter((sample) => sample.refusedWith === undefined).length + refused;
  const tried = matrix.parts.reduce((sum, part) => sum + part.allowed + part.refused, 0);
  const memory = (bytes: number) => `${Math.round(bytes / 1_048_576)} MB`;
  const mutations = second.mutations === undefined ? "not counted on this endpoint" : `${second.mutations} changes`;
  console.log(
    [
      `Sign-ups     ${samples.length} sent: ${tenants} tenants with ${active} active keys, ${refused} refused and kept, ${samples.length - accounted} lost`,
      `In AWS       ${second.counts.keys} keys, ${second.counts.aliases} aliases, ${second.counts.roles} roles`,
      `Isolation    ${tried} attempts among ${matrix.tenants} tenants: ${matrix.violations.length === 0 ? "only a tenant's own worked" : "VIOLATED"}`,
      `Sent again   ${mutations} in KMS and IAM`,
      `Memory       this process ${memory(process.memoryUsage().rss)}, the local AWS ${memory(stage.emulator.memoryBytes())}`,
      `Time         ${(durationMs / 1000).toFixed(1)} s`,
    ].join("\n"),
  );
}

async function keepRunning(stage: LocalStage): Promise<void> {
  const { emulator, settings } = stage;
  const { accessKeyId, secretAccessKey } = emulator.credentials;
  console.log("\nStill running, until Ctrl-C. Point the command line or any AWS tool at it with:\n");
  console.log(
    `AWS_ENDPOINT_URL=${emulator.endpoint} AWS_REGION=${emulator.region} AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey} TENANTKEYS_STAGE=${settings.stage}`,
  );
  // An endpoint that isn't ours may lack what this needs, and everything else was done by now.
  const operator = await operatorSession(stage).catch(() => undefined);
  printSession(
    "For what only a person may do (offboard, approve, repair), for an hour, as an operator's role",
    operator,
  );
  const application = await stage.application().catch(() => undefined);
  printSession("For an application that uses @tenantkeys/client, for an hour, as the application's role", application);
  const keepAlive = setInterval(() => {}, 60_000);
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  clearInterval(keepAlive);
}

/** As a line to set on top of the first. */
function printSession(title: string, session: Credentials | undefined): void {
  if (session === undefined) return;
  const { accessKeyId, secretAccessKey, sessionToken } = session;
  console.log(`\n${title}:\n`);
  console.log(
    `AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey} AWS_SESSION_TOKEN=${sessionToken}`,
  );
}

function readOptions(): StartOptions | number {
  try {
    const options = parseStartOptions(process.argv.slice(2));
    if (!options.help) return options;
    console.log(USAGE);
    return 0;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 64;
  }
}

const options = readOptions();
if (typeof options === "number") process.exitCode = options;
else {
  process.exitCode = await main(options).catch((error: unknown) => {
    console.error(error instanceof Error ? `\n${error.message}` : error);
    return 1;
  });
}
