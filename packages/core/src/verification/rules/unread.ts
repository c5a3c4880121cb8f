/** What couldn't be read: a check that wasn't made is a finding, never a pass. One per resource, with every operation. */
import { type Facts, listed, report } from "../facts.ts";
import type { Finding } from "../finding.ts";
import type { Unread } from "../judgement.ts";

export function unreadFindings(facts: Facts, unread: readonly Unread[]): readonly Finding[] {
  const byResource = Map.groupBy(unread, ({ resource }) => resource);
  return [...byResource].map(([resource, reads]) => {
    const operations = [...new Set(reads.map(({ operation }) => operation))].sort();
    const reasons = reads.map(({ kind, operation, reason }) => `${operation} ${kind}: ${reason}`);
    const expected = `${listed(operations)} answered`;
    return report(facts, "could-not-verify", resource, { expected, seen: listed([...new Set(reasons)].sort()) });
  });
}
