/**
 * Whose invocation it is, for as long as one that `withTenant` guards is under way. An application's role may become
 * every tenant, so AWS can't tell that code asks for the wrong one; this can.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { type TenantId, TenantKeysError } from "@tenantkeys/core";

interface Invocation {
  readonly tenantId: TenantId;
  isOver: boolean;
}

const current = new AsyncLocalStorage<Invocation>();

/**
 * From here on, in this chain of asynchronous calls, no other tenant's key can be used. It must be called before the
 * caller first waits: what is entered after that isn't seen by who called.
 * @returns ends it, wherever it is called
 */
export function enterTenant(tenantId: TenantId): () => void {
  const invocation: Invocation = { tenantId, isOver: false };
  current.enterWith(invocation);
  return () => {
    invocation.isOver = true;
  };
}

/** @throws TenantKeysError `tenant_mixed_up` in an invocation of another tenant */
export function refuseOtherTenant(tenantId: TenantId): void {
  const invocation = current.getStore();
  if (invocation === undefined || invocation.isOver || invocation.tenantId === tenantId) return;
  const message = `this invocation is of tenant ${invocation.tenantId}, and its code uses a key of tenant ${tenantId}`;
  throw new TenantKeysError("tenant_mixed_up", message, { tenantId: invocation.tenantId });
}
