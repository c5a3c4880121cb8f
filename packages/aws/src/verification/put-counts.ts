import type { Run } from "../run.ts";
import type { GuardPorts } from "./guard-ports.ts";

/** Puts those that count something. A zero of one key would say that the whole stage has none, which only a sweep knows. */
export async function putCounts(
  { putMetrics }: Pick<GuardPorts, "putMetrics">,
  run: Run,
  counts: Readonly<Record<string, number>>,
): Promise<void> {
  const some = Object.entries(counts).filter(([, count]) => count > 0);
  if (some.length > 0) await putMetrics(run, Object.fromEntries(some));
}
