/** What the command's exit code says. Documented in --help and docs/cli.md. */
export const EXIT = {
  done: 0,
  failed: 1,
  /** A plan that isn't empty, or an event or a key that was refused. */
  differs: 2,
  /** EX_USAGE of sysexits.h. */
  usage: 64,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_CODES_HELP = `Exit codes:
  0   done
  1   failed: something could not be done; the error says what to do next
  2   there are differences (plan), or something was refused
  64  the command was used wrongly`;

/** The worse of the two: a failure hides a refusal, and neither hides behind success. */
export function worse(one: ExitCode, other: ExitCode): ExitCode {
  const order: readonly ExitCode[] = [EXIT.done, EXIT.differs, EXIT.failed, EXIT.usage];
  return order.indexOf(one) >= order.indexOf(other) ? one : other;
}
