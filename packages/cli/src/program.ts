/** The command line: its options, its commands, and the way from arguments to an exit code. */
import { readFileSync } from "node:fs";
import { type ClientOptions, startRun } from "@tenantkeys/aws";
import { asTenantKeysError, type Stage } from "@tenantkeys/core";
import { Command, CommanderError } from "commander";
import { addAddKey } from "./commands/add-key.ts";
import { addApprove } from "./commands/approve.ts";
import { addCanary } from "./commands/canary.ts";
import { type Act, type ActOutside, addExamples } from "./commands/command.ts";
import { addFindings } from "./commands/findings.ts";
import { addGrants } from "./commands/grants.ts";
import { addHold } from "./commands/hold.ts";
import { addImport } from "./commands/import.ts";
import { addList } from "./commands/list.ts";
import { addOffboard } from "./commands/offboard.ts";
import { addOutsidePolicy } from "./commands/outside-policy.ts";
import { addPlan } from "./commands/plan.ts";
import { addProbe } from "./commands/probe.ts";
import { addProve } from "./commands/prove.ts";
import { addReEncrypt } from "./commands/re-encrypt.ts";
import { addRefused } from "./commands/refused.ts";
import { addReinstate } from "./commands/reinstate.ts";
import { addRepair } from "./commands/repair.ts";
import { addReplay } from "./commands/replay.ts";
import { addResume } from "./commands/resume.ts";
import { addReview } from "./commands/review.ts";
import { addRotate } from "./commands/rotate.ts";
import { addShow } from "./commands/show.ts";
import { addSignUp } from "./commands/signup.ts";
import { addSuspend } from "./commands/suspend.ts";
import { addSweeps } from "./commands/sweeps.ts";
import { addValidatePolicies } from "./commands/validate-policies.ts";
import { addVerify } from "./commands/verify.ts";
import { confirmTenant, confirmTyped } from "./confirm.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { type GlobalFlags, globalOptions } from "./global-options.ts";
import { createOutput } from "./output.ts";
import { plainText } from "./plain-text.ts";
import type { CliPorts, Outside, Session } from "./ports.ts";
import { createProgress } from "./progress.ts";
import { UsageError } from "./usage-error.ts";

/** No command goes on longer: a terminal that was forgotten shouldn't hold messages or sessions. */
const COMMAND_MS = 60 * 60 * 1000;
/** Left after that to give messages back. */
const CLOSING_MS = 30_000;

/**
 * @param args without the program's name
 * @returns the exit code; everything that goes wrong is said on stderr, and nothing is thrown
 */
export async function runCli(args: readonly string[], ports: CliPorts): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  const outside: ActOutside = async (work) => {
    exitCode = await outsideStages(program.opts<GlobalFlags>(), ports, work);
  };
  const act: Act = async (work) => {
    exitCode = await inSession(program.opts<GlobalFlags>(), ports, work);
  };
  const program: Command = createProgram(ports, act, outside);
  try {
    await program.parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
    if (error instanceof CommanderError || error instanceof UsageError) return sayUsage(program, args, ports, error);
    throw error;
  }
}

/** @throws UsageError, for which the caller knows which command it was */
function inSession(
  flags: GlobalFlags,
  ports: CliPorts,
  work: (session: Session) => Promise<ExitCode>,
): Promise<ExitCode> {
  return saying(flags, ports, async ({ at, run, output, progress, stage }) => {
    const operator = await ports.connect(at, run, stage);
    try {
      const confirm: Session["confirm"] = (tenantId, consequence) => {
        progress.clear();
        return confirmTenant(ports, tenantId, consequence);
      };
      const confirmText: Session["confirmTyped"] = (expected, what, consequence) => {
        progress.clear();
        return confirmTyped(ports, expected, what, consequence);
      };
      const asking = { readStdin: ports.readStdin, confirm, confirmTyped: confirmText };
      const reEncryptObjects = ports.reEncryptObjects(at);
      const moving = { reEncryptObjects, fileCursor: ports.fileCursor };
      return await work({ operator, run, output, progress, ...asking, ...moving });
    } finally {
      operator.close();
    }
  });
}

/** @throws UsageError, for which the caller knows which command it was */
function outsideStages(
  flags: GlobalFlags,
  ports: CliPorts,
  work: (outside: Outside) => Promise<ExitCode>,
): Promise<ExitCode> {
  return saying(flags, ports, ({ at, run, output }) => work({ at, run, output, ports }));
}

interface Saying extends Pick<Session, "run" | "output" | "progress"> {
  readonly at: ClientOptions;
  readonly stage: Stage;
}

/** Says what goes wrong, but for a UsageError. */
async function saying(
  flags: GlobalFlags,
  ports: CliPorts,
  work: (saying: Saying) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { region, endpoint, stage, json, progress: asked } = globalOptions(flags, ports.environment);
  const quiet = ports.stderrIsTerminal ? "line" : "none";
  const progress = createProgress(ports.stderr, ports.clock, asked && !ports.stderrIsTerminal ? "lines" : quiet);
  const output = createOutput(ports.stdout, ports.stderr, json, progress);
  const run = startRun(ports.clock, COMMAND_MS, CLOSING_MS);
  try {
    return await work({ at: { region, endpoint }, stage, run, output, progress });
  } catch (error) {
    if (error instanceof UsageError) throw error;
    output.error(asTenantKeysError(error));
    return EXIT.failed;
  } finally {
    progress.clear();
  }
}

/** In the order of the help: a tenant's life, then looking, then mending. */
const COMMANDS = [
  ...[addSignUp, addAddKey, addImport, addRotate, addSuspend, addResume],
  ...[addOffboard, addApprove, addHold, addReinstate],
  ...[addList, addShow, addVerify, addFindings, addSweeps, addCanary, addPlan, addGrants],
  ...[addProbe, addProve, addOutsidePolicy],
  ...[addRepair, addReview, addReplay, addRefused, addReEncrypt],
];

function createProgram(ports: CliPorts, act: Act, outside: ActOutside): Command {
  const program = new Command("tenantkeys")
    .description("One KMS key, alias and least-privilege role per tenant: from sign-up to offboarding.")
    .version(version())
    .option("--stage <name>", "the stage (default: TENANTKEYS_STAGE, or dev)")
    .option("--endpoint <url>", "an AWS other than AWS's own (default: AWS_ENDPOINT_URL)")
    .option("--region <region>", "the AWS Region (default: AWS_REGION, AWS_DEFAULT_REGION)")
    .option("--json", "answer as one JSON document on stdout, errors as JSON on stderr")
    .option("--progress", "show progress on stderr where it isn't a terminal as well")
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    // Errors are said in one place (sayUsage), as text or JSON.
    .configureOutput({ writeOut: ports.stdout, writeErr: () => {}, outputError: () => {} });
  for (const add of COMMANDS) add(program, act);
  addValidatePolicies(program, act, outside);
  return addExamples(program, [
    "tenantkeys signup acme --wait",
    "tenantkeys list --stage production --json",
    "AWS_ENDPOINT_URL=http://127.0.0.1:4566 tenantkeys replay --dlq --dry-run",
  ]);
}

function sayUsage(
  program: Command,
  args: readonly string[],
  ports: CliPorts,
  error: CommanderError | UsageError,
): ExitCode {
  const command = program.commands.find((candidate) => args.includes(candidate.name()));
  const name = ["tenantkeys", command?.name()].filter(Boolean).join(" ");
  // Without any command commander has nothing to say but its help.
  const said = "code" in error && error.code === "commander.help" ? "no command was given" : error.message;
  const message = plainText(said.replace(/^error: /, ""));
  const expected = `${name} ${(command ?? program).usage()}`;
  const help = `${name} --help`;
  ports.stderr(
    args.includes("--json")
      ? `${JSON.stringify({ error: { code: "usage", message, expected, help } })}\n`
      : `error: ${message}\nexpected: ${expected}\nhelp: ${help}\n`,
  );
  return EXIT.usage;
}

function version(): string {
  const manifest: { version: string } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return manifest.version;
}
