import type { Logger } from "@aws-lambda-powertools/logger";
import { attemptOutcome, attemptText, type CanaryRun, countOutcomes } from "@tenantkeys/core";

/** One line: a breach is an error, anything else that isn't a pass a warning. @returns what the function answers */
export function logCanaryRun(logger: Pick<Logger, "info" | "warn" | "error">, run: CanaryRun, requestId: string) {
  const { state, startedAtMs, endedAtMs, waitsFor, attempts } = run;
  const counts = { state, attempts: attempts.length, ...countOutcomes(attempts) };
  const unexpected = attempts
    .filter((one) => attemptOutcome(one) !== "as-expected")
    .map((one) => `${attemptText(one)}: ${one.result}${one.reason === undefined ? "" : `, ${one.reason}`}`);
  const say = state === "breached" ? "error" : state === "passed" ? "info" : "warn";
  logger[say](`canary: ${state}`, {
    ...counts,
    durationMs: endedAtMs - startedAtMs,
    ...(waitsFor === undefined ? {} : { waitsFor }),
    ...(unexpected.length === 0 ? {} : { unexpected }),
    requestId,
  });
  return counts;
}
