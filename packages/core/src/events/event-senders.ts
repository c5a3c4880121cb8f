/**
 * What the stage's own functions may ask of the worker. They may put messages into its queue, and SQS looks at no message:
 * so the worker does, or a function that was taken over could offboard tenants, and approve it as a second person.
 */
import { isCanaryTenant, isReservedTenantId } from "../canary.ts";
import { TenantKeysError } from "../errors.ts";
import type { Stage } from "../ids.ts";
import { stageNames } from "../names.ts";
import { QUEUE_ONLY_TYPES } from "./tenant-event.ts";

/** The events by which a tenant's keys come to be. */
const KEY_DECLARING_TYPES: readonly string[] = ["TenantSignedUp", "TenantKeyAdded"];

/**
 * The function that a message's sender is, by its session's name: Lambda names a function's sessions after the function,
 * and only Lambda may assume the roles of the stage's functions, so none of them can pass for anybody else.
 * @param senderId as SQS authenticated it: of a role's session its unique id, a colon, the session's name
 */
export function functionOfSender(stage: Stage, senderId: string): string | undefined {
  const { verifyFunction, sweepFunction, reviewFunction, provisionFunction, canaryFunction } = stageNames(stage);
  const session = senderId.slice(senderId.indexOf(":") + 1);
  const functions = [verifyFunction, sweepFunction, reviewFunction, provisionFunction, canaryFunction];
  return functions.find((name) => name === session);
}

/**
 * @param event its type, and the tenant that it names
 * @throws TenantKeysError `sender_refused` for what a function of the stage never asks, `tenant_id_reserved` for a tenant
 *   that the canary alone signs up
 */
export function refuseSender(
  { type, tenantId = "" }: { readonly type: string; readonly tenantId?: string | undefined },
  senderId: string | undefined,
  stage: Stage,
): void {
  const sender = senderId === undefined ? undefined : functionOfSender(stage, senderId);
  // The name of a session is whoever's who makes it: a person who takes this one signs up tenants that let in the canary alone.
  if (sender === stageNames(stage).canaryFunction) {
    if (type === "TenantSignedUp" && isCanaryTenant(tenantId)) return;
  } else if (sender === undefined) {
    if (isReservedTenantId(tenantId) && KEY_DECLARING_TYPES.includes(type)) throw reserved(type, tenantId);
    return;
  } else if (QUEUE_ONLY_TYPES.some((one) => one === type)) return;
  throw new TenantKeysError("sender_refused", `${type} was sent by the function ${sender}, which never sends it`, {
    step: "declare",
  });
}

function reserved(type: string, tenantId: string): TenantKeysError {
  const message = `${type}: tenant id "${tenantId}" is kept for the canary, which alone signs its tenants up`;
  return new TenantKeysError("tenant_id_reserved", message, { step: "declare", field: "detail.tenantId" });
}
