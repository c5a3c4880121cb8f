/** Repairs with the caller's own credentials what the worker has no right to, each after it was confirmed. */
import { asTenantKeysError, findingText, type StoredFinding, type TenantKeysError } from "@tenantkeys/core";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { findingData } from "../finding-table.ts";
import { errorData } from "../output.ts";
import { plainText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { UsageError } from "../usage-error.ts";
import type { Collected } from "./collect.ts";
import { refuseBeyondLimit } from "./limit.ts";

interface Repaired {
  readonly finding: StoredFinding;
  readonly did?: string | undefined;
  readonly left?: string | undefined;
  readonly error?: TenantKeysError | undefined;
}

const LEFT_TEXT = {
  "no-longer-so": "left: it is no longer so",
  "may-hold-data": "left: it may hold somebody's data, and nobody typed its id",
  "whose-is-unclear":
    "left: the registry says whose it is, and the key itself doesn't: look at its tags and its policy by hand",
  "not-for-the-caller": "left: not one that is repaired so",
} as const;

export async function applyAsCaller(
  session: Session,
  { byCaller }: Collected,
  yes: boolean | undefined,
): Promise<ExitCode> {
  await refuseBeyondLimit(session, byCaller.length);
  const repaired: Repaired[] = [];
  for (const finding of byCaller) repaired.push(await repairOne(session, finding, yes));
  session.output.answer(
    {
      applied: true,
      findings: repaired.map(({ finding, did, left, error }) => {
        return { finding: findingData(finding), did, left, error: error && errorData(error) };
      }),
    },
    () => `${repaired.map(line).map(plainText).join("\n")}\n`,
  );
  if (repaired.some(({ did }) => did !== undefined)) {
    session.output.note(
      "closed by the next sweep; findings of a tenant's key at once by: tenantkeys verify <tenantId>",
    );
  }
  if (repaired.some(({ error }) => error !== undefined)) return EXIT.failed;
  return repaired.some(({ left }) => left !== undefined) ? EXIT.differs : EXIT.done;
}

/** @throws UsageError where nobody can be asked, or something else is typed: nothing more is done then */
async function repairOne(session: Session, finding: StoredFinding, yes: boolean | undefined): Promise<Repaired> {
  const { operator, run } = session;
  const { resource } = finding;
  const id = resource.slice(resource.lastIndexOf("/") + 1);
  if (yes !== true) {
    await session.confirmTyped(id, "the last part of its name", `With your own credentials: ${findingText(finding)}.`);
  }
  try {
    let outcome = await operator.repairAsCaller(run, finding, false);
    if (outcome.kind === "left" && outcome.why === "may-hold-data") {
      // Never skipped by --yes: what was encrypted under a key that is gone is gone.
      const consequence = `${resource} may hold somebody's data, and no record says whose. Its deletion is scheduled in 30 days.`;
      await session.confirmTyped(id, "the key's id", consequence);
      outcome = await operator.repairAsCaller(run, finding, true);
    }
    return outcome.kind === "done" ? { finding, did: outcome.did } : { finding, left: outcome.why };
  } catch (error) {
    if (error instanceof UsageError) return { finding, left: "may-hold-data" };
    return { finding, error: asTenantKeysError(error) };
  }
}

function line({ finding, did, left, error }: Repaired): string {
  const about = `${finding.ruleId} ${finding.resource}`;
  if (error !== undefined) return `${about}: ${error.code}: ${error.message}`;
  return `${about}: ${did ?? LEFT_TEXT[left as keyof typeof LEFT_TEXT]}`;
}
