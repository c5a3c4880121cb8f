export type DeployErrorCode =
  | "sst_install_failed"
  | "stacks_invalid"
  | "stacks_failed"
  | "stacks_stuck"
  | "resource_failed"
  | "resource_unsupported"
  | "input_unsupported"
  | "function_build_failed";

/** What goes wrong while the SST program runs on the local AWS. The message says which resource and what to do next. */
export class DeployError extends Error {
  override readonly name = "DeployError";
  readonly code: DeployErrorCode;

  constructor(code: DeployErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.code = code;
  }
}

/** The messages of an error and of all its causes, joined; a message that its parent already quotes is left out. */
export function describeError(error: unknown): string {
  const messages: string[] = [];
  // 8 causes deep is more than any chain seen; the limit keeps a cyclic cause from looping.
  for (let cause = error, depth = 0; cause !== undefined && cause !== null && depth < 8; depth += 1) {
    const message = messageOf(cause);
    if (message !== "" && !messages.some((earlier) => earlier.includes(message))) messages.push(message);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return messages.join(": ");
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join("; ");
  if (!(error instanceof Error)) return String(error);
  // SDK errors put the AWS error code in `name`; plain ones say "Error", which tells nobody anything.
  const named = error.name !== "Error" && error.name !== "DeployError" && !error.message.includes(error.name);
  return named ? `${error.name}: ${error.message}` : error.message;
}
