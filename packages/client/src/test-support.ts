/** What the client's unit tests share: one tenant key, and AWS's answers where the local AWS can't give them. */
import { parseKeyName, parseStage, parseTenantId, TenantKeysError } from "@tenantkeys/core";
import type { TenantKeyRef } from "./key-access.ts";

export const REF: TenantKeyRef = {
  stage: parseStage("prod"),
  tenantId: parseTenantId("acme"),
  keyName: parseKeyName("default"),
};

export const KEY_ARN = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-4333-8444-555555555555";
export const ROLE_ARN = "arn:aws:iam::111122223333:role/tenantkeys/prod/tk-prod-acme";

/** An error as the SDK throws it. */
export function awsError(name: string, message = "as AWS says it", more: object = {}): Error {
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode: 400 } }, more);
}

export async function errorOf(call: Promise<unknown>): Promise<TenantKeysError> {
  const error: unknown = await call.then(
    () => new Error("it worked"),
    (cause: unknown) => cause,
  );
  if (error instanceof TenantKeysError) return error;
  throw error;
}

/** A client of the SDK that answers what `answer` gives for a command, and counts the commands. */
export function answering<Client>(answer: (input: never, command: string) => unknown) {
  const sent: string[] = [];
  const send = async (command: { readonly input: never; readonly constructor: { readonly name: string } }) => {
    sent.push(command.constructor.name);
    return answer(command.input, command.constructor.name);
  };
  return { client: { send } as Client, sent };
}
