/**
 * One key of a sign-up: declare, observe, plan, apply, record, and then the reply. Every step can be stopped and done
 * again; the table in docs/provisioning.md says what the next run finds after a stop at each place, and a test stops it
 * at each.
 */
import { asTenantKeysError, type KeyDeclaration, type RepliedKey, type TenantRecord } from "@tenantkeys/core";
import { declareKey } from "./declare-key.ts";
import { HeldKey } from "./held-key.ts";
import type { ProvisionPorts } from "./ports.ts";
import { inPlaceReply, repliedKey } from "./replies-to.ts";
import type { Run } from "./run.ts";

export type ProvisionOutcome =
  /** It can be used, or could, were its tenant not suspended or its material there. */
  | {
      readonly kind: "active" | "suspended" | "awaiting-material";
      readonly key: RepliedKey;
      readonly tenant: TenantRecord;
    }
  /** A newer declaration is known already: this one changed nothing. */
  | { readonly kind: "superseded"; readonly byGeneration: number }
  /** An offboarding that was known before now counts, and the tenant's other keys are to follow. */
  | { readonly kind: "tenant-changed"; readonly tenant: TenantRecord };

/**
 * Makes AWS match the declaration and says so on the bus. Doing it again changes nothing.
 * @param tenant the tenant's record, where it was read already
 * @throws TenantKeysError any code; what was reached is in the record, with the reason
 */
export async function provisionTenantKey(
  ports: ProvisionPorts,
  run: Run,
  declaration: KeyDeclaration,
  tenant?: TenantRecord,
): Promise<ProvisionOutcome> {
  const about = { tenantId: declaration.tenantId, keyName: declaration.keyName };
  try {
    const declared = await declareKey(ports, run, declaration, tenant);
    if (declared.kind !== "held") return declared;
    const record = await new HeldKey(ports, run, declared).converge(declared.fresh);
    const key = repliedKey(ports.context, record);
    const kind = record.state === "awaiting-material" || record.state === "suspended" ? record.state : "active";
    await ports.publisher.publishReply(run, inPlaceReply(key, record));
    return { kind, key, tenant: declared.tenant };
  } catch (error) {
    throw asTenantKeysError(error).within(about);
  }
}
