import { TenantKeysError } from "@tenantkeys/core";
import type { Command } from "commander";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { keptEventTable } from "../kept-event-table.ts";
import { wholeNumber } from "../option-parsers.ts";
import type { Session } from "../ports.ts";
import { UsageError } from "../usage-error.ts";
import { type Act, addExamples } from "./command.ts";

const LIMIT_DEFAULT = 100;

interface RefusedOptions {
  readonly tenantId: string | undefined;
  readonly limit: number;
}

async function listRefused(session: Session, options: RefusedOptions): Promise<ExitCode> {
  const { operator, run, output } = session;
  const { limit, tenantId } = options;
  const found = await operator.listRefused(run, { limit: limit + 1, tenantId });
  const refused = found.slice(0, limit);
  const limitReached = found.length > limit;
  output.answer({ refused, limitReached }, () =>
    refused.length === 0 ? "no refused events\n" : keptEventTable(refused),
  );
  if (limitReached) output.note(`there are more than the ${limit} shown: see --limit`);
  return EXIT.done;
}

/**
 * Prints the event itself, as it came, so that it can be corrected and sent again.
 * @param drop whether it is then taken out of the store, which nothing else does to an event that can't be replayed
 */
async function showRefused(session: Session, refusalId: string, drop: boolean): Promise<ExitCode> {
  const { operator, run, output } = session;
  const [kept] = await operator.listRefused(run, { limit: 1, refusalId });
  if (kept === undefined) {
    throw new TenantKeysError("input_unreadable", `no refused event "${refusalId}" is kept; see tenantkeys refused`);
  }
  const body = await operator.readRefusedBody(run, kept);
  output.answer({ ...kept, body, dropped: drop }, () => `${body}\n`);
  if (drop) {
    await operator.settleRefused(run, kept);
    output.note(`dropped ${refusalId}: what was printed is the last copy`);
    return EXIT.done;
  }
  output.note(`refused: ${kept.code}: ${kept.message}`);
  output.note(`next: ${kept.nextAction}`);
  return EXIT.done;
}

interface Flags {
  readonly tenant?: string;
  readonly drop?: boolean;
  readonly limit: number;
}

export function addRefused(program: Command, act: Act): void {
  const command = program
    .command("refused")
    .description("list the events that were refused and kept, newest first, or print one of them")
    .argument("[refusalId]", "print this event itself")
    .option("--tenant <id>", "only events that name this tenant, spelt as the event spells it")
    .option("--drop", "with a refusalId: print the event, then take it out of the store")
    .option("--limit <n>", "events listed at most", wholeNumber(1, 100_000), LIMIT_DEFAULT)
    .action(async (refusalId: string | undefined, flags: Flags) => {
      const { tenant: tenantId, limit, drop = false } = flags;
      if (refusalId === undefined && drop) throw new UsageError("--drop: expected a refusalId with it");
      await act((session) =>
        refusalId === undefined ? listRefused(session, { tenantId, limit }) : showRefused(session, refusalId, drop),
      );
    });
  addExamples(command, [
    "tenantkeys refused",
    "tenantkeys refused --tenant acme --json",
    "tenantkeys refused 6f1c… > event.json   # correct it, then: tenantkeys replay event.json",
  ]);
}
