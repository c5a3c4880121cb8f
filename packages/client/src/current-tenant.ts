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

export interface EnteredTenant {
  /** Ends it, wherever it is called. */
  leave(): void;
  /** @throws TenantKeysError `tenant_mixed_up` where other tenants' keys wouldn't be refused, though the invocation goes on */
  requireGuard(): void;
}

const current = new AsyncLocalStorage<Invocation>();

/**
 * From here on, in this chain of asynchronous calls, no other tenant's key can be used. It must be called before the
 * caller first waits: what is entered after that isn't seen by who called.
 */
export function enterTenant(tenantId: TenantId): EnteredTenant {
  const invocation: Invocation = { tenantId, isOver: false };
  current.enterWith(invocation);
  return {
    leave() {
      invocation.isOver = true;
    },
    requireGuard() {
      if (invocation.isOver || current.getStore() === invocation) return;
      const message = `this code isn't seen to be of tenant ${tenantId}'s invocation, so nothing would keep it from other tenants' keys: middy before 7.7.2 loses that where a middleware comes before withTenant`;
      throw new TenantKeysError("tenant_mixed_up", message, { tenantId });
    },
  };
}

/** @throws TenantKeysError `tenant_mixed_up` in an invocation of another tenant */
export function refuseOtherTenant(tenantId: TenantId): void {
  const invocation = current.getStore();
  if (invocation === undefined || invocation.isOver || invocation.tenantId === tenantId) return;
  const message = `this invocation is of tenant ${invocation.tenantId}, and its code uses a key of tenant ${tenantId}`;
  throw new TenantKeysError("tenant_mixed_up", message, { tenantId: invocation.tenantId });
}
