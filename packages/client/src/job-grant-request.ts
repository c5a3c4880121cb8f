/** What may be asked for a job, checked before KMS is: who, for what, until when, for which of the tenant's data. */
import {
  JOB_GRANT_HOURS_MAX,
  JOB_ID_PATTERN,
  JOB_OPERATIONS,
  type JobOperation,
  type KeyArn,
  ROLE_ARN_PATTERN,
  TenantKeysError,
} from "@tenantkeys/core";
import { encryptionContextOf, type FurtherContext } from "./encryption-context.ts";
import type { KeyAccess } from "./key-access.ts";

interface Lending {
  /** 1 to 64 letters, digits, `-` and `_`; CloudTrail shows it. */
  readonly jobId: string;
  /** One of the key profile's `jobRoleArns`. */
  readonly granteeRoleArn: string;
  /** What the job may do; giving the key back (RetireGrant) it always may. */
  readonly operations: readonly JobOperation[];
  /** Further pairs that the job's ciphertexts must be bound to, beside the tenant's own. */
  readonly context?: FurtherContext | undefined;
  /** One of the key's `decryptKeyArns`, for what a replaced key encrypted; default: the key. */
  readonly keyArn?: string | undefined;
}

/** Until when, in one of two ways. With `endsAtMs`, in epoch milliseconds, asking again gives the same grant. */
export type JobGrantRequest = Lending &
  (
    | { readonly endsAtMs: number; readonly durationMinutes?: undefined }
    | { readonly durationMinutes: number; readonly endsAtMs?: undefined }
  );

interface ParsedRequest {
  readonly jobId: string;
  readonly granteeRoleArn: string;
  readonly operations: readonly (JobOperation | "RetireGrant")[];
  readonly context: Record<string, string>;
  readonly keyArn: KeyArn;
  readonly endsAtMs: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html#KMS-CreateGrant-request-Constraints */
const CONSTRAINT_PAIRS_MAX = 8;
const CONSTRAINT_CHARACTERS_MAX = 384;

/** @throws TenantKeysError `job_grant_invalid`, `encryption_context_invalid` */
export function parseJobGrantRequest(access: KeyAccess, request: JobGrantRequest, nowMs: number): ParsedRequest {
  const refuse = (field: string, expected: string): never => {
    const { tenantId, keyName } = access;
    const message = `the grant for a job: ${field}: expected ${expected}`;
    throw new TenantKeysError("job_grant_invalid", message, { tenantId, keyName, field });
  };
  const { jobId, granteeRoleArn, operations } = request;
  if (!JOB_ID_PATTERN.test(jobId)) refuse("jobId", "1 to 64 letters, digits, - and _, the first a letter or digit");
  if (!ROLE_ARN_PATTERN.test(granteeRoleArn)) refuse("granteeRoleArn", "the ARN of an IAM role");
  const known: readonly string[] = JOB_OPERATIONS;
  if (operations.length === 0 || operations.some((operation) => !known.includes(operation))) {
    refuse("operations", `some of ${known.join(", ")}`);
  }
  const wanted = request.keyArn ?? access.keyArn;
  const keyArn =
    [access.keyArn, ...access.decryptKeyArns].find((own) => own === wanted) ??
    refuse("keyArn", "one of the tenant key's own ARNs");
  const endsAtMs = request.endsAtMs ?? nowMs + (request.durationMinutes ?? 0) * MINUTE_MS;
  if (!Number.isInteger(endsAtMs) || endsAtMs <= nowMs || endsAtMs > nowMs + JOB_GRANT_HOURS_MAX * HOUR_MS) {
    const field = request.endsAtMs === undefined ? "durationMinutes" : "endsAtMs";
    refuse(field, `an end in the future, and within ${JOB_GRANT_HOURS_MAX} hours`);
  }
  const context = encryptionContextOf(access, request.context);
  if (!fitsConstraint(context)) {
    refuse(
      "context",
      `at most ${CONSTRAINT_PAIRS_MAX} pairs with the tenant's own, of ${CONSTRAINT_CHARACTERS_MAX} characters`,
    );
  }
  // In one order, so that asking again asks for the same.
  const lent = JOB_OPERATIONS.filter((operation) => operations.includes(operation));
  return { jobId, granteeRoleArn, operations: [...lent, "RetireGrant"], context, keyArn, endsAtMs };
}

function fitsConstraint(context: Readonly<Record<string, string>>): boolean {
  const pairs = Object.entries(context);
  const characters = pairs.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  return pairs.length <= CONSTRAINT_PAIRS_MAX && characters <= CONSTRAINT_CHARACTERS_MAX;
}
