/** From an event to the part of the code that carries it out. */
import {
  asTenantKeysError,
  type KeyArn,
  type KeyDeclaration,
  profileOf,
  type TenantEvent,
  TenantKeysError,
  type TenantRecord,
} from "@tenantkeys/core";
import type { WorkerPorts } from "./event-worker.ts";
import { refuseMissingXksKey } from "./external-key-store.ts";
import { carryOutKeyEvent, type KeyEventOutcome } from "./key-events.ts";
import { type ProvisionOutcome, provisionTenantKey } from "./provision-tenant-key.ts";
import { repairKey } from "./repair-key.ts";
import type { Run } from "./run.ts";
import { carryOutTenantEvent, followTenant, type TenantOutcome } from "./tenant-events.ts";

/** An event that was carried out, and what came of it. */
export interface DoneEvent {
  readonly event: TenantEvent;
  readonly result:
    | { readonly about: "sign-up"; readonly keys: readonly ProvisionOutcome[] }
    | { readonly about: "tenant"; readonly outcome: TenantOutcome }
    | { readonly about: "key"; readonly outcome: KeyEventOutcome };
}

/** @param by the person who sent it, where AWS authenticated one */
export async function carryOutEvent(
  ports: WorkerPorts,
  run: Run,
  event: TenantEvent,
  by: string | undefined,
): Promise<DoneEvent> {
  switch (event.type) {
    case "TenantSignedUp":
    case "TenantKeyAdded":
      return withinTenant(event, async () => ({
        event,
        result: { about: "sign-up", keys: await provisionKeys(ports, run, event) },
      }));
    case "TenantKeyRotationRequested":
    case "TenantKeyMaterialSupplied":
    case "TenantKeyReviewDue":
      return { event, result: { about: "key", outcome: await carryOutKeyEvent(ports, run, event) } };
    case "TenantKeyRepairRequested":
      return { event, result: { about: "key", outcome: await repairKey(ports, run, event, by) } };
    default:
      return withinTenant(event, async () => ({
        event,
        result: { about: "tenant", outcome: await carryOutTenantEvent(ports, run, { ...event, by }, event) },
      }));
  }
}

async function withinTenant(event: TenantEvent, work: () => Promise<DoneEvent>): Promise<DoneEvent> {
  try {
    return await work();
  } catch (error) {
    throw asTenantKeysError(error).within({ tenantId: event.tenantId });
  }
}

type KeyDeclaringEvent = Extract<TenantEvent, { readonly type: "TenantSignedUp" | "TenantKeyAdded" }>;

/** One key after another: they share the tenant's role, and the first makes it. */
async function provisionKeys(
  ports: WorkerPorts,
  run: Run,
  event: KeyDeclaringEvent,
): Promise<readonly ProvisionOutcome[]> {
  const outcomes: ProvisionOutcome[] = [];
  let tenant: TenantRecord | undefined;
  for (const declaration of declarationsOf(ports, event)) {
    const outcome = await provisionTenantKey(ports, run, declaration, tenant);
    if (outcome.kind === "tenant-changed") await followTenant(ports, run, outcome.tenant, "TenantOffboarded");
    if (outcome.kind !== "superseded") tenant = outcome.tenant;
    outcomes.push(outcome);
  }
  return outcomes;
}

/** @throws TenantKeysError `own_keys_not_allowed`, or `event_invalid` for a key of the stage's own account or another Region */
function refuseOwnKey({ context, stage }: WorkerPorts, keyArn: KeyArn): void {
  if (!stage.tenantOwnedKeys || context.roleMode === "session-tag") {
    const reason = stage.tenantOwnedKeys ? "its tenants share one role" : "its setting tenantOwnedKeys is off";
    throw new TenantKeysError("own_keys_not_allowed", `this stage takes no keys of tenants' own accounts: ${reason}`, {
      step: "declare",
    });
  }
  const [, , , region, accountId] = keyArn.split(":");
  if (region === context.region && accountId !== context.accountId) return;
  const message = `detail.keyArn: expected a key in ${context.region} of another account than the stage's, not ${keyArn}`;
  throw new TenantKeysError("event_invalid", message, { field: "detail.keyArn", step: "declare" });
}

function declarationsOf(ports: WorkerPorts, event: KeyDeclaringEvent): readonly KeyDeclaration[] {
  const { tenantId, generation, eventId, tenantRegistrationId } = event;
  const names = event.type === "TenantSignedUp" ? event.keyNames : [event.keyName];
  const ownKeyArn = event.type === "TenantKeyAdded" ? event.keyArn : undefined;
  if (ownKeyArn !== undefined) refuseOwnKey(ports, ownKeyArn);
  const xksKeyId = event.type === "TenantKeyAdded" ? event.xksKeyId : undefined;
  return names.map((keyName) => {
    const profile = profileOf(ports.stage, keyName, event.profile);
    refuseMissingXksKey(ports.profiles[profile], xksKeyId);
    return { tenantId, keyName, generation, profile, eventId, tenantRegistrationId, ownKeyArn, xksKeyId };
  });
}
