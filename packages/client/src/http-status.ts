/** What an HTTP interface answers when a tenant can't work. */
import { type ErrorCode, TenantKeysError } from "@tenantkeys/core";

export interface HttpStatus {
  readonly statusCode: number;
  /** `Retry-After`, where trying again helps. */
  readonly headers: Readonly<Record<string, string>>;
}

const STATUS_OF_CODE: Partial<Readonly<Record<ErrorCode, number>>> = {
  tenant_missing: 400,
  identifier_invalid: 400,
  encryption_context_invalid: 400,
  access_denied: 403,
  tenant_offboarded: 403,
  ciphertext_of_another_tenant: 403,
  tenant_unknown: 404,
  key_unknown: 404,
  key_not_active: 409,
  key_destroyed: 410,
  ciphertext_corrupted: 422,
  tenant_suspended: 423,
  key_disabled: 423,
  key_pending_deletion: 423,
  throttled: 429,
  registry_unavailable: 503,
  key_store_unavailable: 503,
  aws_unavailable: 503,
};

/** Where nothing says how long to wait. */
const RETRY_AFTER_SECONDS = 1;

/**
 * @returns 500 for anything else: `tenant_mixed_up`, say, is the application's own fault. A message of ours names
 *   resources of the account, so an answer to a user should have the error's code only.
 */
export function httpStatusOf(error: unknown): HttpStatus {
  if (!(error instanceof TenantKeysError)) return { statusCode: 500, headers: {} };
  const statusCode = STATUS_OF_CODE[error.code] ?? 500;
  if (statusCode !== 429 && statusCode !== 503) return { statusCode, headers: {} };
  const { retryAfterMs } = error.details;
  const seconds = retryAfterMs === undefined ? RETRY_AFTER_SECONDS : Math.ceil(retryAfterMs / 1000);
  return { statusCode, headers: { "Retry-After": String(seconds) } };
}
