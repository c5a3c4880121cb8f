/** The events about findings: one when a finding opens, one when the fact is gone. */
import type { Stage } from "../ids.ts";
import type { StoredFinding } from "../verification/finding.ts";
import { type FindingReplyType, REPLY_SOURCE, type Reply } from "./replies.ts";

/** Longer texts say nothing more to a person; the event stays far below EventBridge's 256 KB. */
const TEXT_CHARACTERS_MAX = 2_000;
const RESOURCE_CHARACTERS_MAX = 512;

/** `firstSeenAtMs` is part of the reply's id: a finding that comes again after it was closed is another fact. */
export function findingReply(type: FindingReplyType, stage: Stage, stored: StoredFinding): Reply {
  const { findingId, ruleId, severity, tenantId, keyName, firstSeenAtMs, lastSeenAtMs, closedAtMs } = stored;
  const closed = type === "TenantKeyFindingClosed" ? { closedAt: iso(closedAtMs ?? lastSeenAtMs) } : {};
  const fact = type === "TenantKeyFindingClosed" ? "closed" : "opened";
  return {
    source: REPLY_SOURCE,
    detailType: type,
    detail: {
      version: "1",
      replyId: `${stage}/${findingId}/${firstSeenAtMs}/${fact}`,
      stage,
      findingId,
      ruleId,
      severity,
      tenantId,
      keyName,
      resource: stored.resource.slice(0, RESOURCE_CHARACTERS_MAX),
      expected: stored.expected.slice(0, TEXT_CHARACTERS_MAX),
      seen: stored.seen.slice(0, TEXT_CHARACTERS_MAX),
      firstSeenAt: iso(firstSeenAtMs),
      lastSeenAt: iso(lastSeenAtMs),
      ...closed,
    },
  };
}

function iso(atMs: number): string {
  return new Date(atMs).toISOString();
}
