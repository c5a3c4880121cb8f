import { fork } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AccountIdentity } from "./account-calls.ts";
import { DeployError, type DeployErrorCode } from "./deploy-error.ts";
import type { ClientConfig } from "./resource-context.ts";
import type { StackRun } from "./resource-provider.ts";

interface CommonTask {
  readonly projectRoot: string;
  readonly stage: string;
}

export type ChildTask =
  | (CommonTask & { readonly mode: "deploy"; readonly target: ClientConfig & { readonly accountId: string } })
  | (CommonTask & {
      readonly mode: "record";
      readonly identity: AccountIdentity;
      readonly existingArns: readonly string[];
    });

export type ChildReport =
  | { readonly kind: "resource"; readonly type: string; readonly name: string }
  | { readonly kind: "done"; readonly run: StackRun }
  | { readonly kind: "failed"; readonly code: DeployErrorCode; readonly message: string };

/** What the child gets of this process's environment. AWS settings stay out: the program may only reach the endpoint. */
const PASSED_ON = ["PATH", "HOME", "TMPDIR", "TMP", "TEMP", "LANG", "CI", "NODE_EXTRA_CA_CERTS", "SystemRoot"];

/** Nobody listens on TCP's discard port these days. */
const NOBODY = "http://127.0.0.1:9";
const NO_CREDENTIALS = { accessKeyId: "none", secretAccessKey: "none" };

/** A warm deploy takes seconds; a cold one on a slow disk a minute. Past this something hangs. */
const RUN_DEADLINE_MS = 180_000;
const STDERR_KEPT_CHARACTERS = 4_000;

/**
 * Runs the stacks program in a process of its own: @pulumi/aws needs hundreds of MB that this one mustn't hold, and
 * the program's globals must not meet a second run's.
 * @param env What the stacks read from the environment.
 * @throws DeployError what the child reported, or `stacks_failed` where it ended without a report.
 */
export function runInChild(
  task: ChildTask,
  env: Readonly<Record<string, string>>,
  onResource?: (type: string, name: string) => void,
): Promise<StackRun> {
  const { promise, resolve, reject } = Promise.withResolvers<StackRun>();
  const child = fork(fileURLToPath(new URL("./deploy-child.ts", import.meta.url)), {
    cwd: task.projectRoot,
    env: childEnvironment(task, env),
    execArgv: ["--disable-warning=ExperimentalWarning", "--no-deprecation"],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT_CHARACTERS);
  });
  const deadline = setTimeout(() => {
    reject(new DeployError("stacks_stuck", `The stacks program didn't end within ${RUN_DEADLINE_MS / 1000} s.`));
    child.kill("SIGKILL");
  }, RUN_DEADLINE_MS);
  let result: Exclude<ChildReport, { readonly kind: "resource" }> | undefined;
  child.on("message", (report: ChildReport) => {
    if (report.kind === "resource") onResource?.(report.type, report.name);
    else result = report;
  });
  child.once("error", (error) =>
    reject(new DeployError("stacks_failed", "The stacks program can't be started", error)),
  );
  // Not before: whoever gets the result may count on the process, and its memory, being gone.
  child.once("close", (code) => {
    clearTimeout(deadline);
    if (result?.kind === "done") resolve(result.run);
    if (result?.kind === "failed") reject(new DeployError(result.code, result.message));
    // Where the promise is settled already, this changes nothing.
    reject(new DeployError("stacks_failed", `The stacks program ended with ${code} and no result: ${stderr.trim()}`));
  });
  child.send(task);
  return promise;
}

function childEnvironment(task: ChildTask, env: Readonly<Record<string, string>>): Record<string, string> {
  const passedOn = PASSED_ON.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(passedOn),
    // Halves the time that loading SST, Pulumi and the SDK takes in later runs.
    NODE_COMPILE_CACHE: join(task.projectRoot, ".tenantkeys", "compile-cache"),
    ...awsOf(task),
    ...env,
  };
}

/** Whom a process that the program starts takes for AWS: the endpoint, or nobody. Never what the machine's files name. */
function awsOf(task: ChildTask): Record<string, string> {
  if (task.mode === "record") return { AWS_ENDPOINT_URL: NOBODY, ...awsCredentials(NO_CREDENTIALS) };
  return { AWS_ENDPOINT_URL: task.target.endpoint, ...awsCredentials(task.target.credentials) };
}

function awsCredentials(credentials: typeof NO_CREDENTIALS): Record<string, string> {
  return { AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey };
}
