/**
 * AWS's errors as a tenant's application can meet them, narrowed to the project's codes. The service has a table of its
 * own (docs/adr/0015); SDK error names stop here.
 */
import { type ErrorCode, TenantKeysError } from "@tenantkeys/core";

const CODE_OF_NAME: Readonly<Record<string, ErrorCode>> = {
  AccessDenied: "access_denied",
  AccessDeniedException: "access_denied",
  // A session of a role that was deleted since; the application's own credentials, where they are missing or wrong.
  UnrecognizedClientException: "access_denied",
  InvalidClientTokenId: "access_denied",
  InvalidAccessKeyId: "access_denied",
  CredentialsProviderError: "access_denied",
  // The session ended before its time, as the client counts it: it is forgotten, and the next call has a new one.
  ExpiredToken: "aws_unavailable",
  ExpiredTokenException: "aws_unavailable",
  DisabledException: "key_disabled",
  NotFoundException: "key_missing",
  KeyUnavailableException: "key_store_unavailable",
  CustomKeyStoreInvalidStateException: "key_store_unavailable",
  CloudHsmClusterInvalidConfigurationException: "key_store_unavailable",
  XksProxyUriUnreachableException: "key_store_unavailable",
  Throttling: "throttled",
  ThrottlingException: "throttled",
  ThrottledException: "throttled",
  TooManyRequestsException: "throttled",
  RequestLimitExceeded: "throttled",
  ProvisionedThroughputExceededException: "throttled",
  SlowDown: "throttled",
  DependencyTimeoutException: "aws_unavailable",
  KMSInternalException: "aws_unavailable",
  InternalServerError: "aws_unavailable",
  InternalError: "aws_unavailable",
  ServiceUnavailable: "aws_unavailable",
  TimeoutError: "aws_unavailable",
  ECONNREFUSED: "aws_unavailable",
  ECONNRESET: "aws_unavailable",
  EHOSTUNREACH: "aws_unavailable",
  ENETUNREACH: "aws_unavailable",
  ENOTFOUND: "aws_unavailable",
  EAI_AGAIN: "aws_unavailable",
  EPIPE: "aws_unavailable",
  ETIMEDOUT: "aws_unavailable",
};

/** Waited after the SDK's own attempts, where AWS doesn't say how long. */
const RETRY_AFTER_MS = 1_000;
const RETRY_AFTER_MAX_MS = 60_000;

/**
 * @param step the action that failed, such as `kms:Decrypt`
 * @returns ours unchanged; anything else with AWS's own sentence in it and the original as its cause
 */
export function narrowAwsError(error: unknown, step: string): TenantKeysError {
  if (error instanceof TenantKeysError) return error.within({ step });
  const name = errorName(error);
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(name, message, httpStatus(error));
  const retryAfterMs = code === "throttled" ? retryAfter(error) : undefined;
  return new TenantKeysError(code, `${step}: ${name}: ${message}`, { step, retryAfterMs, cause: error });
}

/** True where the session's credentials were no longer taken, though they should have been good for longer. */
export function isExpiredToken(error: unknown): boolean {
  return ["ExpiredToken", "ExpiredTokenException"].includes(errorName(error));
}

function codeOf(name: string, message: string, status: number): ErrorCode {
  if (name === "KMSInvalidStateException") return codeOfKeyState(message);
  return CODE_OF_NAME[name] ?? (status >= 500 ? "aws_unavailable" : "aws_unexpected");
}

/** KMS has one error for every state that isn't Enabled or Disabled, and names the state in its sentence only. */
function codeOfKeyState(message: string): ErrorCode {
  if (/pending (replica )?deletion/i.test(message)) return "key_pending_deletion";
  if (/unavailable/i.test(message)) return "key_store_unavailable";
  return "key_not_active";
}

/** The name by which AWS calls the error; a network error's code where there is one. S3 puts `KMS.` before KMS's names. */
function errorName(error: unknown): string {
  if (!(error instanceof Error)) return "UnknownError";
  const code: unknown = "code" in error ? error.code : undefined;
  return typeof code === "string" && code.startsWith("E") ? code : error.name.replace(/^KMS\./, "");
}

interface Answer {
  readonly $metadata?: { readonly httpStatusCode?: unknown };
  readonly $response?: { readonly headers?: Readonly<Record<string, unknown>> };
}

function answer(error: unknown): Answer {
  return typeof error === "object" && error !== null ? error : {};
}

/** The reply's HTTP status, or 0 where no reply arrived. */
function httpStatus(error: unknown): number {
  const status = answer(error).$metadata?.httpStatusCode;
  return typeof status === "number" ? status : 0;
}

function retryAfter(error: unknown): number {
  const seconds = Number(answer(error).$response?.headers?.["retry-after"]);
  return seconds > 0 ? Math.min(seconds * 1000, RETRY_AFTER_MAX_MS) : RETRY_AFTER_MS;
}
