import type { TenantId } from "@tenantkeys/core";
import type { CliPorts } from "./ports.ts";
import { UsageError } from "./usage-error.ts";

/**
 * Has the tenant's id typed: who types it has read which tenant it is about, which a "y" doesn't show.
 * @param consequence what is about to happen, in one or two sentences
 * @throws UsageError where nobody can be asked, or something else is typed
 */
export async function confirmTenant(
  ports: Pick<CliPorts, "stdinIsTerminal" | "ask">,
  tenantId: TenantId,
  consequence: string,
): Promise<void> {
  if (!ports.stdinIsTerminal) {
    throw new UsageError(`${consequence} Nobody can be asked, as standard input is no terminal: expected --yes`);
  }
  const typed = (await ports.ask(`${consequence}\nType the tenant's id to go on: `)).trim();
  if (typed !== tenantId) {
    throw new UsageError(`nothing was sent: expected the tenant's id "${tenantId}" to be typed, got "${typed}"`);
  }
}
