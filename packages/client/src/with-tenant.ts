/** `@tenantkeys/client/middy`: a middleware for Lambda functions that work for one tenant per invocation. */

import type { MiddlewareObj, Request } from "@middy/core";
import { parseTenantId, TenantKeysError } from "@tenantkeys/core";
import { type EnteredTenant, enterTenant } from "./current-tenant.ts";
import type { TenantKey, TenantKeys } from "./tenant-keys.ts";

/** What the handler finds in its context. */
export interface TenantContext {
  readonly tenantKey: TenantKey;
}

type LambdaContext = Request["context"];

export interface WithTenantOptions<Event> {
  readonly tenantKeys: TenantKeys;
  /** From what the caller was authenticated with, never from what it sent: a claim of the token, say. */
  readonly tenantId: (event: Event, context: LambdaContext) => string | undefined;
  /** Default: `default`. */
  readonly keyName?: string | undefined;
}

/**
 * Puts the tenant's key into the context, once the registry says that the tenant may work. From then on, until the
 * handler has ended, any other tenant's key throws `tenant_mixed_up`, whichever `TenantKeys` it comes from.
 *
 * Errors reach the middlewares' `onError` as they are: `httpStatusOf` says what to answer. Not for batches of several
 * tenants' messages: those take `tenantKeys.for(…)` per message.
 * @throws TenantKeysError `tenant_missing`, `identifier_invalid`, or why the tenant may not work
 */
export function withTenant<Event = unknown>(
  options: WithTenantOptions<Event>,
): MiddlewareObj<Event, unknown, Error, LambdaContext & TenantContext> {
  const invocations = new WeakMap<object, EnteredTenant>();
  const leave = ({ context }: { readonly context: object }) => invocations.get(context)?.leave();
  return {
    // Not async: the tenant must be entered before anybody waits (current-tenant.ts).
    before(request) {
      const tenantId = options.tenantId(request.event, request.context);
      if (tenantId === undefined || tenantId === "") {
        throw new TenantKeysError("tenant_missing", "the event says of no tenant whose it is", { field: "tenantId" });
      }
      const invocation = enterTenant(parseTenantId(tenantId));
      invocations.set(request.context, invocation);
      const tenantKey = options.tenantKeys.for(tenantId, options.keyName);
      // Not to be replaced by a later middleware, or by the handler; and not to be had without the guard.
      const get = () => {
        invocation.requireGuard();
        return tenantKey;
      };
      Object.defineProperty(request.context, "tenantKey", { get, enumerable: true, configurable: true });
      return tenantKey.check();
    },
    after: leave,
    onError: leave,
  };
}
