/**
 * The closed union of everything that can go wrong. Each code has a heading in docs/errors.md (a test compares the two):
 * what causes it, what happens to the event, what to do.
 */

/**
 * `retryable`: the same event may succeed later, so it goes back to its queue and, when its receives are spent, to the
 * dead-letter queue. Not retryable: waiting can't help, so the event is kept at once in the refused store.
 */
interface ErrorRule {
  readonly retryable: boolean;
  readonly nextAction: string;
}

const ERROR_RULES = {
  event_not_json: {
    retryable: false,
    nextAction: "Correct the publisher so that it sends JSON, then publish the event again.",
  },
  event_invalid: {
    retryable: false,
    nextAction: "Correct the named field in the publisher, then publish the event again.",
  },
  event_version_unknown: { retryable: false, nextAction: 'Publish the event with version "1", or upgrade tenantkeys.' },
  event_type_unknown: { retryable: false, nextAction: "Publish one of the event types listed in docs/events.md." },
  event_too_large: { retryable: false, nextAction: "Send only the fields of the schema: the detail may hold 16 KiB." },
  event_mapping_unresolved: {
    retryable: false,
    nextAction:
      "Publish the event with the named path, or correct eventMappings in stacks/stages.ts and deploy; then replay it.",
  },
  stage_mismatch: {
    retryable: false,
    nextAction:
      "Publish the event on the bus of the stage that it names. If it is meant for this one: tenantkeys replay with --force-stage.",
  },
  identifier_invalid: { retryable: false, nextAction: "Use an identifier of the form that the message names." },
  settings_invalid: {
    retryable: false,
    nextAction:
      "Correct the named field: a stage's in stacks/stages.ts, and deploy again; the client's where createTenantKeys is called.",
  },
  generation_conflict: {
    retryable: false,
    nextAction: "Publish the wanted declaration again with a higher generation.",
  },
  state_conflict: { retryable: false, nextAction: "See docs/lifecycle.md for what this event may do in this state." },
  tenant_offboarded: {
    retryable: false,
    nextAction: "Let the tenant come back first: tenantkeys reinstate <tenantId>",
  },
  key_unknown: {
    retryable: false,
    nextAction: "Look at the tenant's key names: tenantkeys show <tenantId>. Sign the tenant up or add the key first.",
  },
  repair_refused: {
    retryable: false,
    nextAction: "See what is open and who may put it right: tenantkeys repair <tenantId>",
  },
  sender_refused: {
    retryable: false,
    nextAction:
      "Find out what ran in the function that the message names: it may have been taken over. Don't replay the event.",
  },
  tenant_id_reserved: {
    retryable: false,
    nextAction: "Give the tenant another id: none that begins with tenantkeys-canary-.",
  },
  repair_limit_reached: {
    retryable: false,
    nextAction:
      "Look at what is open first (tenantkeys repair --all): so much at once may be a fault in what is declared. Then repair fewer keys at a time, or raise repairKeysMax and repairSharePercent in stacks/stages.ts and deploy.",
  },
  key_destroyed: {
    retryable: false,
    nextAction:
      "Nothing brings the key back. A new sign-up with a higher generation gives the tenant a new key, for new data.",
  },
  approval_refused: {
    retryable: false,
    nextAction: "Let another person than the one who asked for the offboarding approve it, by its generation.",
  },
  origin_mismatch: {
    retryable: false,
    nextAction: "Declare the key with a profile of the origin that it has, or add a key of another name.",
  },
  material_mismatch: {
    retryable: false,
    nextAction: "Import the same key material as the first time: KMS takes no other for this key.",
  },
  import_token_expired: {
    retryable: false,
    nextAction: "Get new import parameters with tenantkeys import <tenantId>, wrap the material again and send it.",
  },
  rotation_unsupported: {
    retryable: false,
    nextAction: "See docs/lifecycle.md for how a key of this kind or in this state is rotated.",
  },
  role_taken: {
    retryable: false,
    nextAction:
      "Rename or delete the role that tenantkeys didn't make, then run: tenantkeys replay --refused --tenant <tenantId>",
  },
  alias_taken: {
    retryable: false,
    nextAction:
      "Delete the alias that tenantkeys didn't make, then run: tenantkeys replay --refused --tenant <tenantId>",
  },
  key_taken: {
    retryable: false,
    nextAction:
      "Remove the tenantkeys tags from the key that tenantkeys didn't make, then run: tenantkeys replay --refused --tenant <tenantId>",
  },
  key_missing: {
    retryable: false,
    nextAction:
      "Look at the key that the registry names as an administrator: it was deleted, or its policy names a provisioner's role that was replaced. Deciding about the tenant's data takes a person.",
  },
  key_disabled: { retryable: false, nextAction: "Find out who disabled the key; enable it, then replay the event." },
  key_pending_deletion: {
    retryable: false,
    nextAction: "Find out who scheduled the deletion; cancel it and enable the key, then replay the event.",
  },
  attempts_exhausted: {
    retryable: false,
    nextAction:
      "Look at the tenant's keys (tenantkeys plan <tenantId>) and at the worker's logs before replaying: CreateKey was lost several times.",
  },
  policy_not_contained: {
    retryable: false,
    nextAction: "Report this: tenantkeys refused to apply a key policy of its own.",
  },
  policy_rejected: {
    retryable: false,
    nextAction: "Check that every role that the stage's settings name exists, then replay the event.",
  },
  policy_too_large: {
    retryable: false,
    nextAction:
      "Use the form of the policy that compares the session's tag, which doesn't grow with the tenants, or spread them over more resources: docs/aws-services.md",
  },
  quota_exceeded: { retryable: false, nextAction: "Ask AWS for a higher quota, then run: tenantkeys replay --refused" },
  access_denied: {
    retryable: true,
    nextAction:
      "Look first whether the refusal is right: code that reaches for another tenant's data is refused like this. Otherwise give the named principal the named permission. What the worker gave up meanwhile comes back with: tenantkeys replay --dlq",
  },
  key_store_unavailable: {
    retryable: true,
    nextAction:
      "Connect the custom key store that the message names. What the worker gave up meanwhile comes back with: tenantkeys replay --dlq",
  },
  role_not_visible: {
    retryable: true,
    nextAction: "Nothing: IAM takes up to minutes to show a new role to KMS; it is tried again.",
  },
  change_not_visible: {
    retryable: true,
    nextAction: "Nothing: KMS takes up to minutes to show what was done to a key; it is looked at again.",
  },
  lease_taken: { retryable: true, nextAction: "Nothing: another worker has this key in hand; it is tried again." },
  lease_lost: { retryable: true, nextAction: "Nothing: a newer worker has taken over; it is tried again." },
  deadline_near: {
    retryable: true,
    nextAction: "Nothing: the worker stopped while it still could; it is tried again.",
  },
  rate_limited: { retryable: true, nextAction: "Nothing: the stage's CreateKey rate is spent; it is tried again." },
  throttled: {
    retryable: true,
    nextAction: "Nothing at first. If it lasts, lower the stage's concurrency or ask for a higher quota.",
  },
  plan_not_converging: {
    retryable: true,
    nextAction: "Run tenantkeys plan <tenantId> to see which part keeps differing.",
  },
  aws_unavailable: {
    retryable: true,
    nextAction: "Nothing at first: AWS or the network failed. If it lasts, look at the AWS Health Dashboard.",
  },
  aws_unexpected: {
    retryable: true,
    nextAction: "Look at the cause in the worker's log; report it if it isn't in docs/errors.md.",
  },
  stage_not_deployed: {
    retryable: true,
    nextAction: "Check --stage, --endpoint and the Region, and that the stage is deployed.",
  },
  publish_failed: { retryable: true, nextAction: "Nothing at first: the bus didn't take an entry; it is tried again." },
  own_keys_not_allowed: {
    retryable: false,
    nextAction:
      "Set tenantOwnedKeys in stacks/stages.ts, with role mode per-tenant, and deploy; then replay the event.",
  },
  own_key_unusable: {
    retryable: false,
    nextAction:
      "Have the key's owner mend what the message names (tenantkeys outside-policy <tenantId> prints the statements that its key policy needs), then replay the event.",
  },
  key_not_active: {
    retryable: true,
    nextAction: "Wait until the key is active: see its state with tenantkeys show <tenantId>",
  },
  tenant_suspended: {
    retryable: false,
    nextAction: "Find out who suspended the tenant; let it work again with tenantkeys resume <tenantId>",
  },
  ciphertext_of_another_tenant: {
    retryable: false,
    nextAction:
      "Find the code that mixes up two tenants: the message names whose the ciphertext is. Don't decrypt it as that tenant.",
  },
  ciphertext_corrupted: {
    retryable: false,
    nextAction: "Read the ciphertext again from where it is stored, or from a backup: it was cut short or changed.",
  },
  encryption_context_invalid: {
    retryable: false,
    nextAction:
      "Give the same further encryption context to decrypt as to encrypt, without the pairs that tenantkeys sets itself.",
  },
  job_grant_invalid: {
    retryable: false,
    nextAction: "Correct the named field of what was asked for the job. See docs/job-grants.md.",
  },
  registry_unavailable: {
    retryable: true,
    nextAction:
      "Nothing at first: the registry can't be read, so nobody knows whether the tenant may work. If it lasts, look at the DynamoDB table that the message names, and whether the application's role has the stage's application policy.",
  },
  tenant_missing: {
    retryable: false,
    nextAction:
      "Let withTenant's tenantId find the tenant in what the caller was authenticated with, and refuse callers without one before.",
  },
  tenant_mixed_up: {
    retryable: false,
    nextAction:
      "Find the code that keeps a tenant's key longer than an invocation, or takes the tenant from somewhere else than context.tenantKey.",
  },
  tenant_unknown: { retryable: false, nextAction: "List the tenants with: tenantkeys list" },
  input_unreadable: {
    retryable: false,
    nextAction: "Name a readable file or directory of events, or - for standard input.",
  },
  record_invalid: { retryable: false, nextAction: "Look at the registry item named: it isn't as tenantkeys wrote it." },
  aws_event_unreadable: {
    retryable: false,
    nextAction:
      "Look at the message in the verification queue's dead letters, and verify the key that it is about: tenantkeys verify. Report a form of AWS's that tenantkeys doesn't know.",
  },
} as const satisfies Record<string, ErrorRule>;

export type ErrorCode = keyof typeof ERROR_RULES;

/** Every code, for the test that compares them with docs/errors.md. */
export const ERROR_CODES = Object.keys(ERROR_RULES) as readonly ErrorCode[];

interface ErrorDetails {
  readonly tenantId?: string | undefined;
  readonly keyName?: string | undefined;
  /** The action that failed, such as `kms:CreateKey`, or the step of ours, such as `declare`. */
  readonly step?: string | undefined;
  /** The field of the input at fault, such as `detail.tenantId`. */
  readonly field?: string | undefined;
  /** Of `key_pending_deletion`: when KMS deletes the key, in epoch milliseconds. */
  readonly deletionDateMs?: number | undefined;
  /** Of `throttled`: how long to wait before trying again. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** The only error that leaves this project's packages. `cause` is always kept; messages never hold key material. */
export class TenantKeysError extends Error {
  override readonly name = "TenantKeysError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.code = code;
    this.details = details;
  }

  get retryable(): boolean {
    return ERROR_RULES[this.code].retryable;
  }

  get nextAction(): string {
    const rule: ErrorRule = ERROR_RULES[this.code];
    return rule.nextAction.replaceAll("<tenantId>", this.details.tenantId ?? "<tenantId>");
  }

  /** The same error with what an outer layer knows: the tenant, the key, the step. What is known already stays. */
  within(details: ErrorDetails): TenantKeysError {
    return new TenantKeysError(this.code, this.message, { ...details, ...definedOnly(this.details) });
  }
}

function definedOnly(details: ErrorDetails): ErrorDetails {
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined));
}

/** Any thrown value as a TenantKeysError: ours unchanged, anything else as `aws_unexpected` with its cause. */
export function asTenantKeysError(error: unknown): TenantKeysError {
  if (error instanceof TenantKeysError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new TenantKeysError("aws_unexpected", message, { cause: error });
}
