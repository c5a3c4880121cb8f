import type { TenantId } from "@tenantkeys/core";
import type { CliPorts } from "./ports.ts";
import { UsageError } from "./usage-error.ts";

type Asking = Pick<CliPorts, "stdinIsTerminal" | "ask">;

/**
 * Has the tenant's id typed: who types it has read which tenant it is about, which a "y" doesn't show.
 * @param consequence what is about to happen, in one or two sentences
 * @throws UsageError where nobody can be asked, or something else is typed
 */
export async function confirmTenant(ports: Asking, tenantId: TenantId, consequence: string): Promise<void> {
  if (!ports.stdinIsTerminal) {
    throw new UsageError(`${consequence} Nobody can be asked, as standard input is no terminal: expected --yes`);
  }
  await confirmTyped(ports, tenantId, "the tenant's id", consequence);
}

/**
 * The same for anything else that has a name.
 * @param what the text to be typed is called
 * @throws UsageError where nobody can be asked, or something else is typed
 */
export async function confirmTyped(ports: Asking, expected: string, what: string, consequence: string): Promise<void> {
  if (!ports.stdinIsTerminal) {
    throw new UsageError(`${consequence} Nobody can be asked, as standard input is no terminal`);
  }
  const typed = (await ports.ask(`${consequence}\nType ${what} to go on: `)).trim();
  if (typed !== expected) {
    throw new UsageError(`nothing was sent: expected ${what} "${expected}" to be typed, got "${typed}"`);
  }
}
