/** The command was used wrongly; the message says what was expected. Exit code 64. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
