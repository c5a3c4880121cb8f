/** Puts right what findings say of one key: under its lease, and nothing beyond what the findings' rules permit. */
import { askerOf, asTenantKeysError, permissionsOf, type TenantEventOf, TenantKeysError } from "@tenantkeys/core";
import type { WorkerPorts } from "./event-worker.ts";
import { HeldKey } from "./held-key.ts";
import { type KeyEventOutcome, readKnown } from "./key-events.ts";
import type { Run } from "./run.ts";
import { takeKey } from "./take-key.ts";
import { askForVerification } from "./verification/ask-for-verification.ts";

/**
 * @param by the session that sent it, where AWS authenticated one
 * @throws TenantKeysError `repair_refused`, `key_unknown`, `state_conflict`, `key_destroyed`, and what the work throws
 */
export async function repairKey(
  ports: WorkerPorts,
  run: Run,
  event: TenantEventOf<"TenantKeyRepairRequested">,
  by: string | undefined,
): Promise<KeyEventOutcome> {
  const { tenantId, keyName, rules, automatic, generation: requestedAtMs } = event;
  try {
    const request = { rules, automatic, requestedAtMs };
    const askedBy = askerOf(request, by, ports.context.stage, ports.stage, run.clock.nowMs());
    const known = await readKnown(ports, run, event);
    if (known === undefined) return { kind: "ignored" };
    if (askedBy === "automatic" && known.record.ownKeyArn !== undefined) {
      const message = `the key ${keyName} is of the tenant's own account: only a person has its role put right`;
      throw new TenantKeysError("repair_refused", message, { step: "declare" });
    }
    const before = known.record.state;
    const taken = await takeKey(ports, run, known);
    const asked = { eventId: event.eventId, by: by ?? "", rules, automatic: askedBy === "automatic" };
    const held = new HeldKey(ports, run, taken);
    const { record, done: repaired } = await held.repair(permissionsOf(rules, askedBy), asked);
    await askForVerification(ports.sqs, run, ports.verificationQueueUrl, { tenantId, keyName });
    return { kind: "done", before, record, tenant: taken.tenant, repaired };
  } catch (error) {
    throw asTenantKeysError(error).within({ tenantId, keyName });
  }
}
