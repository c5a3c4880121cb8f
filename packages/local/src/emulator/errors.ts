/** Why the local AWS can't be had; docs/errors.md has a heading for each. */
export type LocalAwsErrorCode =
  | "python_missing"
  | "python_install_failed"
  | "emulator_start_failed"
  | "port_in_use"
  | "endpoint_unreachable"
  | "endpoint_without_auth"
  | "endpoint_is_aws";

/** A failure of the local AWS itself, with a message that says what to do next. */
export class LocalAwsError extends Error {
  readonly code: LocalAwsErrorCode;

  constructor(code: LocalAwsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LocalAwsError";
    this.code = code;
  }
}
