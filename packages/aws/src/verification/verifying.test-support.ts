/** What the tests of verification work with: the in-memory AWS as the auditor sees it, and findings in memory. */
import { type Finding, type FindingScope, reconcileFindings, type StoredFinding } from "@tenantkeys/core";
import { type AroundCall, type InMemoryAws, portsOn } from "../in-memory-aws.test-support.ts";
import type { Run } from "../run.ts";
import { CONTEXT, SETTINGS } from "../test-support.ts";
import type { FindingChanges, FindingStore, VerifyPorts } from "./ports.ts";
import { mergeStatus, type StatusStore, type VerificationStatus } from "./status-store.ts";

class InMemoryFindings implements FindingStore {
  readonly open = new Map<string, StoredFinding>();
  readonly closed: StoredFinding[] = [];
  /** Of each check, what it was asked to take in. */
  readonly records: { readonly scope: FindingScope; readonly findings: readonly Finding[] }[] = [];

  async record(run: Run, scope: FindingScope, findings: readonly Finding[]): Promise<FindingChanges> {
    this.records.push({ scope, findings });
    const changes = reconcileFindings([...this.open.values()], findings, scope, run.clock.nowMs());
    for (const one of [...changes.opened, ...changes.stillOpen]) this.open.set(one.findingId, one);
    for (const one of changes.closed) this.open.delete(one.findingId);
    this.closed.push(...changes.closed);
    return changes;
  }

  async openOfTenant(): Promise<readonly StoredFinding[]> {
    return [...this.open.values()];
  }

  async *listOpen(): AsyncGenerator<StoredFinding, void, undefined> {
    yield* this.open.values();
  }

  async history(): Promise<readonly StoredFinding[]> {
    return this.closed.toReversed();
  }
}

function inMemoryStatuses(): StatusStore {
  const statuses = new Map<string, VerificationStatus>();
  return {
    async record(_run, status) {
      const name = `${status.tenantId}/${status.keyName}`;
      statuses.set(name, mergeStatus(statuses.get(name), status));
    },
    get: async (_run, tenantId, keyName) => statuses.get(`${tenantId}/${keyName}`),
    ofTenant: async (_run, tenantId) => [...statuses.values()].filter((status) => status.tenantId === tenantId),
  };
}

export interface Verifying extends VerifyPorts {
  readonly findings: InMemoryFindings;
  /** Operations that turns were taken for, in order. */
  readonly turns: string[];
}

/** @param around each read of AWS; the registry's are not among them */
export function verifyingOn(aws: InMemoryAws, around?: AroundCall): Verifying {
  const { clients, publisher } = portsOn(aws, around);
  const turns: string[] = [];
  return {
    observing: clients,
    observingIn: () => clients,
    registry: portsOn(aws).registry,
    findings: new InMemoryFindings(),
    statuses: inMemoryStatuses(),
    publisher,
    quota: {
      async takeTurn(_run, operation) {
        turns.push(operation);
      },
    },
    turns,
    settings: SETTINGS,
    context: CONTEXT,
  };
}
