import type { LiveProof, Proven } from "@tenantkeys/aws";
import { breachesFor, parseRoleArn, parseTenantId, type RoleArn, type TenantId } from "@tenantkeys/core";
import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { identifier, wholeNumber } from "../option-parsers.ts";
import { errorData } from "../output.ts";
import type { Session } from "../ports.ts";
import { proofText } from "../proof-text.ts";
import { UsageError } from "../usage-error.ts";
import { type Act, addExamples } from "./command.ts";

const PAIRS_MAX = 10_000;

interface Flags {
  readonly live?: boolean;
  readonly applicationRole?: RoleArn;
  readonly pairsMax?: number;
  readonly asCaller?: boolean;
}

async function prove(session: Session, tenantIds: readonly TenantId[], flags: Flags): Promise<ExitCode> {
  const { operator, run, output, progress } = session;
  const proven = await operator.prove(run, {
    tenantIds,
    asCaller: flags.asCaller === true,
    onProgress: (done, total) => progress.update(`${done} of ${total} tenants read`),
  });
  const live = flags.live === true ? await tryLive(session, proven, flags) : undefined;
  const { stage, accountId, region } = operator.context;
  const about = { stage, accountId, region, provenAtMs: run.clock.nowMs() };
  output.answer({ ...about, ...data(proven, live) }, () => proofText(about, proven, live));
  if (proven.proof.keys.length === 0) output.note("the registry has no key, so nothing was proven");
  return exitCodeOf(proven, live);
}

async function tryLive({ operator, run, progress }: Session, proven: Proven, flags: Flags): Promise<LiveProof> {
  const applicationRoleArn = flags.applicationRole ?? operator.settings.applicationRoleArns[0];
  if (applicationRoleArn === undefined) throw new UsageError("--application-role: the stage's settings name none");
  return operator.tryPairs(run, proven, {
    applicationRoleArn,
    pairsMax: flags.pairsMax ?? PAIRS_MAX,
    onProgress: (done, total) => progress.update(`${done} of ${total} sessions have tried`),
  });
}

/** A stranger let in needs somebody now, and so outranks what couldn't be read or tried. */
function exitCodeOf({ proof }: Proven, live: LiveProof | undefined): ExitCode {
  const isBroken = proof.keys.some(({ verdict }) => verdict === "broken");
  if (isBroken || (live !== undefined && live.alarms.length + live.failures.length > 0)) return EXIT.differs;
  const isUnproven = proof.keys.length === 0 || proof.keys.some(({ verdict }) => verdict === "not-proven");
  const isUntried = live?.notTried.some(({ isExpected }) => !isExpected) === true;
  return isUnproven || isUntried ? EXIT.unknown : EXIT.done;
}

function data({ proof }: Proven, live: LiveProof | undefined) {
  if (live === undefined) return { proof };
  const alarms = live.alarms.map((alarm) => ({
    ...alarm,
    /** Empty: the documents look contained, and it worked all the same. */
    breaches: breachesFor(proof, alarm.session, alarm.resource),
  }));
  const failures = live.failures.map(({ error, ...tried }) => ({ ...tried, error: errorData(error) }));
  return { proof, live: { ...live, alarms, failures } };
}

function tenantsGiven(text: string, previous: readonly TenantId[] = []): readonly TenantId[] {
  return [...previous, identifier(parseTenantId)(text)];
}

export function addProve(program: Command, act: Act): void {
  const command = program
    .command("prove")
    .description(
      "show for every tenant's session and every key that only the key's own tenant can use it; changes nothing",
    )
    .argument("[tenantId...]", "only these tenants, against each other (default: all of the stage)", tenantsGiven)
    .option("--live", "try it as well, with a session of every tenant's role")
    .option(
      "--application-role <arn>",
      "with --live: the application's role (default: the stage's first)",
      identifier(parseRoleArn),
    )
    .option(
      "--pairs-max <n>",
      `with --live: try so many pairs at most, spread over all tenants (default: ${PAIRS_MAX})`,
      wholeNumber(1, 1_000_000),
    )
    .option("--as-caller", "read with your own credentials instead of as the stage's auditor role")
    .action(async (tenantIds: readonly TenantId[] | undefined, flags: Flags) => {
      if (flags.live !== true && flags.applicationRole !== undefined) {
        throw new UsageError("--application-role: only with --live");
      }
      if (flags.live !== true && flags.pairsMax !== undefined) throw new UsageError("--pairs-max: only with --live");
      await act((session) => prove(session, tenantIds ?? [], flags));
    });
  addExamples(command, [
    "tenantkeys prove",
    "tenantkeys prove --live --application-role arn:aws:iam::111122223333:role/notes-api --progress",
    "tenantkeys prove acme globex --json",
  ]);
}
