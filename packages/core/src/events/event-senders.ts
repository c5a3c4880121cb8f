/**
 * What the stage's own functions may ask of the worker. They may put messages into its queue, and SQS looks at no message:
 * so the worker does, or a function that was taken over could offboard tenants, and approve it as a second person.
 */
import { TenantKeysError } from "../errors.ts";
import type { Stage } from "../ids.ts";
import { stageNames } from "../names.ts";
import { QUEUE_ONLY_TYPES } from "./tenant-event.ts";

/**
 * The function that a message's sender is, by its session's name: Lambda names a function's sessions after the function,
 * and only Lambda may assume the roles of the stage's functions, so none of them can pass for anybody else.
 * @param senderId as SQS authenticated it: of a role's session its unique id, a colon, the session's name
 */
export function functionOfSender(stage: Stage, senderId: string): string | undefined {
  const { verifyFunction, sweepFunction, reviewFunction, provisionFunction } = stageNames(stage);
  const session = senderId.slice(senderId.indexOf(":") + 1);
  return [verifyFunction, sweepFunction, reviewFunction, provisionFunction].find((name) => name === session);
}

/** @throws TenantKeysError `sender_refused` for what a function of the stage never asks */
export function refuseSender(type: string, senderId: string | undefined, stage: Stage): void {
  const sender = senderId === undefined ? undefined : functionOfSender(stage, senderId);
  if (sender === undefined || QUEUE_ONLY_TYPES.some((one) => one === type)) return;
  throw new TenantKeysError("sender_refused", `${type} was sent by the function ${sender}, which never sends it`, {
    step: "declare",
  });
}
