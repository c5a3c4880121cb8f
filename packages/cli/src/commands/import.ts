import { reviewEvent } from "@tenantkeys/aws";
import {
  type ImportParameters,
  type KeyName,
  type KeyRecord,
  parseKeyName,
  type TenantId,
  TenantKeysError,
} from "@tenantkeys/core";
import type { Command } from "commander";
import { declare, type EventFlags, knownTenant } from "../declare.ts";
import { withEventOptions, withTenant } from "../event-options.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { readImportToken, readWrappedMaterial, writeImportParameters } from "../import-files.ts";
import { keyOf } from "../key-of.ts";
import { identifier, isoTime } from "../option-parsers.ts";
import { materialOutcome } from "../outcomes.ts";
import { timeText } from "../plain-text.ts";
import type { Session } from "../ports.ts";
import { UsageError } from "../usage-error.ts";
import { type Awaited, type TenantView, waitForOutcome } from "../wait-for-outcome.ts";
import { wrappingCommands } from "../wrapping-commands.ts";
import { type Act, addExamples } from "./command.ts";

interface Flags extends EventFlags {
  readonly keyName: KeyName;
  readonly parametersTo?: string;
  readonly material?: string;
  readonly token?: string;
  readonly expires?: number;
}

/** Writes what the customer wraps the key material with. */
async function giveParameters(
  session: Session,
  tenantId: TenantId,
  keyName: KeyName,
  directory: string,
  timeoutSeconds: number,
): Promise<ExitCode> {
  const key = keyOf(await knownTenant(session, tenantId), tenantId, keyName);
  const parameters = await validParameters(session, key, timeoutSeconds);
  const files = await writeImportParameters(directory, parameters);
  const commands = wrappingCommands(parameters, directory, `tenantkeys import ${tenantId} --key-name ${keyName}`);
  const { wrappingAlgorithm, wrappingKeySpec, expiresAtMs } = parameters;
  const expiresAt = timeText(expiresAtMs);
  session.output.answer(
    { tenantId, keyName, keyArn: key.keyArn, wrappingAlgorithm, wrappingKeySpec, expiresAt, files, commands },
    () =>
      `wrote ${files.join(", ")}\n` +
      `for key ${key.keyArn}, ${wrappingAlgorithm} with ${wrappingKeySpec}; they expire at ${expiresAt}\n\n` +
      `Where the key material is (material.bin, 32 bytes for a symmetric key), and nowhere else, run:\n\n` +
      `${commands.map((command) => `  ${command}\n`).join("")}`,
  );
  return EXIT.done;
}

/**
 * The parameters that the key has, or new ones where they have expired: those are made when the key is reviewed.
 * @throws TenantKeysError `state_conflict` where the key waits for no material, `import_token_expired` where the worker
 *   made none in time
 */
async function validParameters(session: Session, key: KeyRecord, timeoutSeconds: number): Promise<ImportParameters> {
  const { operator, run } = session;
  const { tenantId, keyName, state } = key;
  const validOf = ({ importParameters }: KeyRecord) =>
    importParameters !== undefined && importParameters.expiresAtMs > run.clock.nowMs() ? importParameters : undefined;
  if (state !== "awaiting-material") {
    const message = `key "${keyName}" of tenant ${tenantId} is ${state}: import parameters are given only while it awaits its material`;
    throw new TenantKeysError("state_conflict", message, { tenantId, keyName });
  }
  const valid = validOf(key);
  if (valid !== undefined) return valid;
  const [outcome] = await operator.sendToQueue(run, [reviewEvent(operator.settings.stage, key)]);
  if (outcome?.kind !== "accepted") throw outcome?.error ?? new TenantKeysError("publish_failed", "no answer");
  const find = (view: TenantView) => validOf(keyOf(view, tenantId, keyName));
  const awaited: Awaited = {
    tenantId,
    eventId: outcome.eventId,
    endOf: (view) => (find(view) === undefined ? undefined : "done"),
    describe: () => "the import parameters have expired; waiting for new ones",
  };
  const made = find(await waitForOutcome(session, awaited, timeoutSeconds * 1000));
  if (made !== undefined) return made;
  const message = `the import parameters of key "${keyName}" of tenant ${tenantId} have expired, and the worker made no new ones within ${timeoutSeconds} s`;
  throw new TenantKeysError("import_token_expired", message, { tenantId, keyName });
}

async function supplyMaterial(
  session: Session,
  tenantId: TenantId,
  flags: Flags,
  files: { readonly material: string; readonly token: string },
): Promise<ExitCode> {
  const { keyName, expires } = flags;
  const [encryptedKeyMaterial, importToken] = await Promise.all([
    readWrappedMaterial(files.material),
    readImportToken(files.token),
  ]);
  keyOf(await knownTenant(session, tenantId), tenantId, keyName);
  if (expires !== undefined && expires <= session.run.clock.nowMs()) {
    throw new UsageError(`--expires: ${timeText(expires)} is over already`);
  }
  return declare(session, {
    tenantId,
    type: "TenantKeyMaterialSupplied",
    detail: {
      keyName,
      encryptedKeyMaterial,
      importToken,
      ...(expires === undefined ? {} : { expiresAt: new Date(expires).toISOString() }),
    },
    via: "queue",
    flags,
    name: `wrapped material of key ${keyName}`,
    outcome: (sent) => materialOutcome(sent, keyName),
  });
}

async function importKey(act: Act, tenantId: TenantId, flags: Flags): Promise<void> {
  const { parametersTo, material, token, keyName, timeout } = flags;
  if (parametersTo !== undefined) {
    if (material !== undefined || token !== undefined) {
      throw new UsageError("expected --parameters-to, or --material with --token, not both");
    }
    return act((session) => giveParameters(session, tenantId, keyName, parametersTo, timeout));
  }
  if (material === undefined || token === undefined) {
    throw new UsageError("expected --parameters-to <directory>, or --material <file> with --token <file>");
  }
  return act((session) => supplyMaterial(session, tenantId, flags, { material, token }));
}

export function addImport(program: Command, act: Act): void {
  const command = withTenant(program.command("import"))
    .description("bring a key's own material: first get what to wrap it with, then send it wrapped")
    .option("--key-name <name>", "the key", identifier(parseKeyName), parseKeyName("default"))
    .option("--parameters-to <directory>", "write the wrapping key and the import token here")
    .option("--material <file>", "the material, wrapped under the wrapping key")
    .option("--token <file>", "the import token that came with that wrapping key")
    .option("--expires <time>", "when KMS deletes the material, at most 365 days ahead (default: never)", isoTime);
  withEventOptions(command, "the material is imported");
  command.action((tenantId: TenantId, flags: Flags) => importKey(act, tenantId, flags));
  addExamples(command, [
    "tenantkeys import acme --parameters-to ./acme",
    "tenantkeys import acme --material ./acme/wrapped.bin --token ./acme/import-token.bin --wait",
    "tenantkeys import acme --material w.bin --token t.bin --expires 2027-06-30T00:00:00Z",
  ]);
}
