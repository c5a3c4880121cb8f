/** The options that every command has which declares something of a tenant. */
import { parseTenantId, type TenantId } from "@tenantkeys/core";
import type { Command } from "commander";
import { identifier, wholeNumber } from "./option-parsers.ts";
import type { Session } from "./ports.ts";

const TIMEOUT_SECONDS_DEFAULT = 120;
const TIMEOUT_SECONDS_MAX = 600;

const generation = wholeNumber(1, Number.MAX_SAFE_INTEGER);
const timeoutSeconds = wholeNumber(1, TIMEOUT_SECONDS_MAX);

export function withTenant(command: Command): Command {
  return command.argument("<tenantId>", "the tenant", identifier(parseTenantId));
}

/** @param done what --wait waits for, such as "every key is disabled" */
export function withEventOptions(command: Command, done: string, generationDefault = "now, in ms"): Command {
  return command
    .option("--generation <n>", `orders declarations; a higher one wins (default: ${generationDefault})`, generation)
    .option("--wait", `wait until ${done}, or the event is refused`)
    .option("--timeout <seconds>", "how long --wait waits", timeoutSeconds, TIMEOUT_SECONDS_DEFAULT);
}

export function withYes(command: Command): Command {
  return command.option("--yes", "don't ask for the tenant's id to be typed");
}

/** Asks, unless --yes was given. */
export async function confirmUnless(
  yes: boolean | undefined,
  session: Session,
  tenantId: TenantId,
  consequence: string,
): Promise<void> {
  if (yes !== true) await session.confirm(tenantId, consequence);
}
