/** Has the worker repair keys, waits for what becomes of each, and looks at what is still open then. */
import { type PublishOutcome, repairEvent } from "@tenantkeys/aws";
import { ERROR_CODES, type RepairDone, severityRank, type TenantId, TenantKeysError } from "@tenantkeys/core";
import { confirmUnless } from "../event-options.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { findingData, findingTable, type ShownFinding, shownFindings } from "../finding-table.ts";
import { errorData } from "../output.ts";
import { countText, plainText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { waitForOutcome } from "../wait-for-outcome.ts";
import type { Collected, KeyToRepair } from "./collect.ts";
import { asksFirst, permittedText } from "./dry-run.ts";
import { refuseBeyondLimit } from "./limit.ts";

interface RepairedKey extends KeyToRepair {
  readonly done?: RepairDone | undefined;
  /** Why it was refused, or couldn't be sent. */
  readonly error?: TenantKeysError | undefined;
  /** After all the waiting. */
  readonly isUnderWay?: boolean;
  /** What isn't in order after it; undefined where that couldn't be looked at. */
  readonly open?: readonly ShownFinding[] | undefined;
}

/** @throws TenantKeysError `repair_limit_reached`, before anything is asked or sent */
export async function apply(
  session: Session,
  { keys }: Collected,
  { yes, timeoutMs }: { readonly yes: boolean | undefined; readonly timeoutMs: number },
): Promise<ExitCode> {
  await refuseBeyondLimit(session, keys.length);
  await confirmAll(session, keys, yes);
  const { operator, run } = session;
  const { stage } = operator.settings;
  const events = keys.map((key) => repairEvent(stage, key, key.rules, { automatic: false }));
  const sent = events.length === 0 ? [] : await operator.sendToQueue(run, events);
  const repaired: RepairedKey[] = [];
  for (const [index, key] of keys.entries()) repaired.push(await outcomeOf(session, key, sent[index], timeoutMs));
  return answer(session, repaired);
}

/** Per tenant once, whatever of its keys. */
async function confirmAll(session: Session, keys: readonly KeyToRepair[], yes: boolean | undefined): Promise<void> {
  const asking = Map.groupBy(keys.filter(asksFirst), ({ tenantId }) => tenantId);
  for (const [tenantId, ofTenant] of asking) {
    const each = ofTenant.map(
      (key) => `key ${key.keyName}${key.isOwnKey ? ", of its own account" : ""}: ${permittedText(key)}`,
    );
    const consequence = `Repairing ${tenantId} may, as far as it is needed, do this to ${each.join(". And to ")}.`;
    await confirmUnless(yes, session, tenantId, consequence);
  }
}

async function outcomeOf(
  session: Session,
  key: KeyToRepair,
  sent: PublishOutcome | undefined,
  timeoutMs: number,
): Promise<RepairedKey> {
  const { tenantId, keyName } = key;
  if (sent?.kind !== "accepted") {
    const error = sent?.error ?? new TenantKeysError("publish_failed", "no answer for the request");
    return { ...key, error: error.within({ tenantId, keyName }) };
  }
  const { eventId } = sent;
  const awaited = {
    tenantId,
    eventId,
    endOf: ({
      keys,
    }: {
      readonly keys: readonly { readonly keyName: string; readonly lastRepair?: RepairDone | undefined }[];
    }) =>
      keys.find((one) => one.keyName === keyName)?.lastRepair?.eventId === eventId ? ("done" as const) : undefined,
    describe: () => `key ${keyName} not repaired yet`,
  };
  const result = await waitForOutcome(session, awaited, timeoutMs);
  const open = await openNow(session, tenantId, key);
  if (result.end === "done") {
    return { ...key, done: result.keys.find((one) => one.keyName === keyName)?.lastRepair, open };
  }
  const { refused } = result;
  if (refused === undefined) return { ...key, isUnderWay: true, open };
  const code = ERROR_CODES.find((known) => known === refused.code) ?? "repair_refused";
  return { ...key, error: new TenantKeysError(code, refused.message, { tenantId, keyName }), open };
}

/** Looked at here and now: what the registry says may not have followed yet. */
async function openNow({ operator, run }: Session, tenantId: TenantId, { keyName }: KeyToRepair) {
  try {
    const options = {
      depth: { grants: true, rotations: true },
      asCaller: false,
      record: true,
      onUntold: () => undefined,
    };
    return shownFindings(await operator.verifyKey(run, tenantId, keyName, options)).filter(
      ({ severity }) => severityRank(severity) > severityRank("information"),
    );
  } catch {
    return undefined;
  }
}

function answer({ output }: Session, repaired: readonly RepairedKey[]): ExitCode {
  const open = repaired.flatMap((key) => key.open ?? []);
  const data = repaired.map(({ tenantId, keyName, rules, done, isUnderWay = false, error, open: left }) => {
    return {
      tenantId,
      keyName,
      rules,
      done,
      isUnderWay,
      error: error && errorData(error),
      open: left?.map(findingData),
    };
  });
  output.answer({ applied: true, keys: data }, () => {
    const lines = repaired.map(line).map(plainText);
    return `${lines.join("\n")}\n${open.length === 0 ? "" : `\nstill open:\n${findingTable(open)}`}`;
  });
  if (repaired.some(({ error, isUnderWay }) => error !== undefined || isUnderWay)) return EXIT.failed;
  if (open.length > 0) return EXIT.differs;
  return repaired.some((key) => key.open === undefined) ? EXIT.unknown : EXIT.done;
}

function line({ tenantId, keyName, done, isUnderWay, error, open }: RepairedKey): string {
  const about = `${tenantId}/${keyName}`;
  if (isUnderWay) return `${about}: still under way; nothing is lost: see tenantkeys show ${tenantId}`;
  if (error !== undefined) return `${about}: ${error.code}: ${error.message}`;
  const did = done === undefined || done.actions.length === 0 ? "nothing was to be done" : done.actions.join(", ");
  const withheld = done === undefined || done.withheld.length === 0 ? "" : `; not done: ${done.withheld.join(", ")}`;
  const left =
    open === undefined ? "; couldn't be looked at afterwards" : `; ${countText(open.length, "finding")} open`;
  return `${about}: ${did}${withheld}${left}`;
}
