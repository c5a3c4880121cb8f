/**
 * Two writers of the same item in the same moment, one of them in a transaction: DynamoDB refuses one, the SDK doesn't try
 * again, and nothing is wrong. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
 */
import { errorName } from "../narrow-error.ts";
import type { Run } from "../run.ts";

const TRIES_MAX = 8;
const DELAY_MS = 40;

/** @throws what the write throws, but for a conflict that passes */
export async function outlastConflicts<T>(run: Run, write: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await write();
    } catch (error) {
      if (!isConflict(error) || tries === TRIES_MAX) throw error;
      await run.clock.sleep(DELAY_MS * tries);
    }
  }
}

/** A condition that isn't met as well decides it: trying again is in vain. */
function isConflict(error: unknown): boolean {
  const codes = cancellationCodes(error);
  const isOfTransaction = codes.includes("TransactionConflict") && !codes.includes("ConditionalCheckFailed");
  return isOfTransaction || errorName(error) === "TransactionConflictException";
}

/** Why DynamoDB cancelled a transaction, by its writes; empty of any other error. */
export function cancellationCodes(error: unknown): readonly (string | undefined)[] {
  if (errorName(error) !== "TransactionCanceledException") return [];
  const { CancellationReasons: reasons = [] } = error as { CancellationReasons?: readonly { Code?: string }[] };
  return reasons.map(({ Code }) => Code);
}
