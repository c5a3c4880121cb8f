/**
 * Clients that look as the stage's auditor: its role is assumed when the first call needs it, and anew before a session
 * expires, once for all clients however many ask at the same time.
 */
import type { RoleArn } from "@tenantkeys/core";
import { assumeRole } from "../assume-role.ts";
import type { ClientOptions, Clients, SessionCredentials } from "../clients.ts";
import { createClientsByRegion } from "../clients-by-region.ts";

export interface AuditorClients {
  /** Of the stage's own Region. */
  readonly clients: Clients;
  clientsIn(region: string): Clients;
  close(): void;
}

/** A session is renewed this long before its end, as the SDK does: a call under way mustn't outlive its credentials. */
const RENEW_BEFORE_MS = 5 * 60_000;
const ASSUME_TIMEOUT_MS = 15_000;

/** @param options whose credentials may assume the auditor's role */
export function createAuditorClients(options: ClientOptions, roleArn: RoleArn, sessionName: string): AuditorClients {
  const assume = () => assumeRole(options, { signal: AbortSignal.timeout(ASSUME_TIMEOUT_MS) }, roleArn, sessionName);
  const credentials = renewedCredentials(assume, () => Date.now());
  const auditor = createClientsByRegion({ ...options, credentials });
  return { clients: auditor.in(options.region), clientsIn: auditor.in, close: auditor.close };
}

/**
 * @param assume gives a new session
 * @returns what gives the current one. Who asks while one is being made waits for that one; a failure is given to all who
 *   wait, and the next asks again.
 */
export function renewedCredentials(
  assume: () => Promise<SessionCredentials>,
  nowMs: () => number,
): () => Promise<SessionCredentials> {
  let current: SessionCredentials | undefined;
  let pending: Promise<SessionCredentials> | undefined;
  return async () => {
    if (current !== undefined && nowMs() < current.expiration.getTime() - RENEW_BEFORE_MS) return current;
    pending ??= assume().finally(() => {
      pending = undefined;
    });
    current = await pending;
    return current;
  };
}
