/** What the command's exit code says. Documented in --help and docs/cli.md. */
export const EXIT = {
  done: 0,
  failed: 1,
  /** A plan that isn't empty, an event or a key that was refused, or a finding. */
  differs: 2,
  /** Nothing worse is known, and not everything could be looked at. */
  unknown: 3,
  /** EX_USAGE of sysexits.h. */
  usage: 64,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_CODES_HELP = `Exit codes:
  0   done
  1   failed: something could not be done; the error says what to do next
  2   there are differences (plan) or findings (verify, repair), isolation is broken (prove, canary), or something was
      refused
  3   nothing worse is known, but not everything could be looked at
  64  the command was used wrongly`;

/** The worse of the two: a failure hides what differs, that hides what is unknown, and none hides behind success. */
export function worse(one: ExitCode, other: ExitCode): ExitCode {
  const order: readonly ExitCode[] = [EXIT.done, EXIT.unknown, EXIT.differs, EXIT.failed, EXIT.usage];
  return order.indexOf(one) >= order.indexOf(other) ? one : other;
}
