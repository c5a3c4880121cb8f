/** What S3 says that the client's table of AWS errors can't know by its name. */
import { TenantKeysError } from "@tenantkeys/core";
import { narrowAwsError } from "../aws-errors.ts";

/** @param step such as `s3:CopyObject` */
export function narrowS3Error(error: unknown, step: string): TenantKeysError {
  // A HEAD request's answer has no body, so nothing but the status says what it is.
  if (statusOf(error) === 403 && !(error instanceof TenantKeysError)) {
    const message = error instanceof Error ? error.message : String(error);
    return new TenantKeysError("access_denied", `${step}: AccessDenied: ${message}`, { step, cause: error });
  }
  return narrowAwsError(error, step);
}

export function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("$metadata" in error)) return undefined;
  const { $metadata: metadata } = error as { readonly $metadata?: { readonly httpStatusCode?: number } };
  return metadata?.httpStatusCode;
}
