/** AWS's errors, narrowed once to the closed union of this project. SDK error names stop here. */
import { type ErrorCode, TenantKeysError } from "@tenantkeys/core";

const CODE_OF_NAME: Readonly<Record<string, ErrorCode>> = {
  AccessDenied: "access_denied",
  AccessDeniedException: "access_denied",
  LimitExceeded: "quota_exceeded",
  LimitExceededException: "quota_exceeded",
  Throttling: "throttled",
  ThrottlingException: "throttled",
  ThrottledException: "throttled",
  TooManyRequestsException: "throttled",
  RequestLimitExceeded: "throttled",
  ProvisionedThroughputExceededException: "throttled",
  TransactionConflictException: "throttled",
  ConcurrentModificationException: "throttled",
  ConcurrentModification: "throttled",
  MalformedPolicyDocument: "policy_rejected",
  MalformedPolicyDocumentException: "policy_rejected",
  DependencyTimeoutException: "aws_unavailable",
  KMSInternalException: "aws_unavailable",
  InternalServerError: "aws_unavailable",
  ServiceFailureException: "aws_unavailable",
  TimeoutError: "aws_unavailable",
  ECONNREFUSED: "aws_unavailable",
  ECONNRESET: "aws_unavailable",
  EHOSTUNREACH: "aws_unavailable",
  ENETUNREACH: "aws_unavailable",
  ENOTFOUND: "aws_unavailable",
  EAI_AGAIN: "aws_unavailable",
  EPIPE: "aws_unavailable",
  ETIMEDOUT: "aws_unavailable",
  AbortError: "deadline_near",
  ResourceNotFoundException: "stage_not_deployed",
  QueueDoesNotExist: "stage_not_deployed",
  CredentialsProviderError: "access_denied",
  // Security Hub's, where the account hasn't enabled it or the caller may not.
  InvalidAccessException: "access_denied",
};

/**
 * @param step the action that failed, such as `kms:CreateKey`
 * @returns a TenantKeysError with AWS's own sentence in it: for a denial that names the principal, action and resource
 */
export function narrowAwsError(error: unknown, step: string): TenantKeysError {
  if (error instanceof TenantKeysError) return error.within({ step });
  const name = errorName(error);
  const code = CODE_OF_NAME[name] ?? (httpStatus(error) >= 500 ? "aws_unavailable" : "aws_unexpected");
  const message = error instanceof Error ? error.message : String(error);
  return new TenantKeysError(code, `${step}: ${name}: ${message}`, { step, cause: error });
}

/** True where the service refused this very call. Who couldn't even become who they look as was refused nothing by it. */
export function isDenial({ code, details }: TenantKeysError): boolean {
  return code === "access_denied" && details.step !== "sts:AssumeRole";
}

/** The name by which AWS calls the error; a network error's code where there is one. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return "UnknownError";
  const code: unknown = "code" in error ? error.code : undefined;
  return typeof code === "string" && code.startsWith("E") ? code : error.name;
}

/** The reply's HTTP status, or 0 where no reply arrived. */
function httpStatus(error: unknown): number {
  if (typeof error !== "object" || error === null || !("$metadata" in error)) return 0;
  const metadata = error.$metadata as { httpStatusCode?: unknown } | undefined;
  return typeof metadata?.httpStatusCode === "number" ? metadata.httpStatusCode : 0;
}

/** True where AWS answered that it didn't do it. A lost reply, a server's fault and a time-out prove nothing. */
export function certainlyNotDone(error: unknown): boolean {
  const cause = error instanceof TenantKeysError ? error.cause : error;
  const status = httpStatus(cause);
  return status >= 400 && status < 500;
}
