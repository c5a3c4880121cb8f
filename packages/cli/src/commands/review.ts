import { type BusEvent, reviewEvent } from "@tenantkeys/aws";
import { type KeyRecord, outcomeOf, parseTenantId, type TenantId, type TenantKeysError } from "@tenantkeys/core";
import type { Command } from "commander";
import { knownTenant } from "../declare.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { identifier, wholeNumber } from "../option-parsers.ts";
import { errorData } from "../output.ts";
import { countText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { UsageError } from "../usage-error.ts";
import { type Act, addExamples } from "./command.ts";

/** Keys of which the worker is told at most. Each costs it some reads, and the next sign-up waits behind them. */
const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 1_000_000;
/** Messages on their way at once. */
const CHUNK = 100;

interface Reviewed {
  readonly sent: number;
  /** Nothing can be looked at: not made yet, failed, or destroyed. */
  readonly skipped: number;
  readonly errors: readonly TenantKeysError[];
  readonly limitReached: boolean;
}

async function reviewTenant(session: Session, tenantId: TenantId): Promise<ExitCode> {
  const { keys } = await knownTenant(session, tenantId);
  return answer(session, await sendReviews(session, keys, keys.length));
}

async function reviewAll(session: Session, limit: number): Promise<ExitCode> {
  const { operator, run, output } = session;
  const reviewed = await sendReviews(session, operator.listKeys(run), limit);
  const exitCode = answer(session, reviewed);
  if (reviewed.limitReached) output.note(`stopped at the limit of ${limit} keys; see --limit`);
  return exitCode;
}

async function sendReviews(
  session: Session,
  keys: AsyncIterable<KeyRecord> | Iterable<KeyRecord>,
  limit: number,
): Promise<Reviewed> {
  const { operator, run, progress } = session;
  let sent = 0;
  let skipped = 0;
  let limitReached = false;
  const errors: TenantKeysError[] = [];
  let chunk: BusEvent[] = [];
  const send = async () => {
    const outcomes = chunk.length === 0 ? [] : await operator.sendToQueue(run, chunk);
    for (const outcome of outcomes) {
      if (outcome.kind === "accepted") sent += 1;
      else errors.push(outcome.error);
    }
    chunk = [];
    progress.update(`${countText(sent, "key")} to be reviewed, ${skipped} skipped`);
  };
  for await (const key of keys) {
    if (outcomeOf("TenantKeyReviewDue", key.state) === "ignore") {
      skipped += 1;
      continue;
    }
    if (sent + errors.length + chunk.length >= limit) {
      limitReached = true;
      break;
    }
    chunk.push(reviewEvent(operator.settings.stage, key));
    if (chunk.length === CHUNK) await send();
    // What failed as a whole, fails for the rest as well.
    if (errors.length > 0) break;
  }
  await send();
  return { sent, skipped, errors, limitReached };
}

function answer({ output }: Session, { sent, skipped, errors, limitReached }: Reviewed): ExitCode {
  const failed = errors.length;
  output.answer(
    { counts: { sent, skipped, failed }, limitReached, errors: errors.map(errorData) },
    () => `${countText(sent, "key")} to be reviewed, ${skipped} skipped, ${failed} not sent\n`,
  );
  const [error] = errors;
  if (error === undefined) return EXIT.done;
  output.note(`not sent: ${error.code}: ${error.message}`);
  return EXIT.failed;
}

interface Flags {
  readonly all?: boolean;
  readonly limit: number;
}

export function addReview(program: Command, act: Act): void {
  const command = program
    .command("review")
    .description("have keys compared with the stage's current settings and put right, as the schedule does")
    .argument("[tenantId]", "the keys of this tenant", identifier(parseTenantId))
    .option("--all", "the keys of every tenant")
    .option("--limit <n>", "with --all: keys at most", wholeNumber(1, LIMIT_MAX), LIMIT_DEFAULT)
    .action(async (tenantId: TenantId | undefined, { all, limit }: Flags) => {
      if ((tenantId === undefined) !== (all === true)) throw new UsageError("expected either a tenantId or --all");
      await act((session) => (tenantId === undefined ? reviewAll(session, limit) : reviewTenant(session, tenantId)));
    });
  addExamples(command, ["tenantkeys review acme", "tenantkeys review --all --limit 20000"]);
}
