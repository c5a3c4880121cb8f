/**
 * Sessions of tenants' roles: AssumeRole with the session tag that names the tenant, once however many ask at the same
 * time, renewed before they end.
 */
import { KMS } from "@aws-sdk/client-kms";
import { AssumeRoleCommand, type STSClient } from "@aws-sdk/client-sts";
import { type RoleArn, SESSION_TAG, type TenantId, TenantKeysError } from "@tenantkeys/core";
import type { SdkConfig } from "./aws-clients.ts";
import { isExpiredToken, narrowAwsError } from "./aws-errors.ts";
import type { TenantCredentials } from "./key-access.ts";
import { createLru } from "./lru.ts";

/**
 * The SDK asks for new credentials five minutes before theirs end, so a session is renewed no later. Up to a minute
 * earlier, each at another time: sessions that were made together, at an application's start, don't come back together.
 */
const RENEWAL_MARGIN_MS = 300_000;
const RENEWAL_JITTER_MS = 60_000;
/** Where STS can't be asked and the session is still good, it is asked again only after this. */
const RENEWAL_RETRY_MS = 10_000;
/** A role that was denied isn't asked for again sooner: an account has 600 calls of STS a second, for all its tenants. */
const DENIAL_KEPT_MS = 1_000;
/** A session that ends sooner than this isn't given to anybody. */
const USEFUL_MS = 30_000;

/** Whose session, of which role, for a key in which Region. */
export interface SessionOf {
  readonly tenantId: TenantId;
  readonly roleArn: RoleArn;
  readonly region: string;
}

interface TenantSession {
  readonly kms: KMS;
  readonly madeAtMs: number;
  /** @throws TenantKeysError `access_denied`, `throttled`, `aws_unavailable` */
  credentials(): Promise<TenantCredentials>;
}

export interface TenantSessions {
  /** Calls nothing: STS is asked when credentials are wanted. */
  of(session: SessionOf): TenantSession;
  /** @param madeBeforeMs only sessions that were made before */
  forget(tenantId: TenantId, madeBeforeMs?: number): void;
}

export interface SessionsOptions {
  readonly sts: STSClient;
  /** For KMS clients: with the one request handler that all clients share. */
  readonly kmsConfig: SdkConfig;
  readonly applicationName: string;
  readonly sessionSeconds: number;
  readonly sessionsMax: number;
  readonly nowMs: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
}

export function createTenantSessions(options: SessionsOptions): TenantSessions {
  // A session that is dropped here may be in use still. Its client has no connections of its own (aws-clients.ts), so
  // there is nothing to close under a running call, and what isn't used any more is garbage.
  const sessions = createLru<TenantSession>(options.sessionsMax);
  return {
    of(session) {
      const key = `${session.tenantId}/${session.roleArn}/${session.region}`;
      const kept = sessions.get(key);
      if (kept !== undefined) return kept;
      const made = createSession(options, session);
      sessions.set(key, made);
      return made;
    },
    forget(tenantId, madeBeforeMs = Number.POSITIVE_INFINITY) {
      sessions.deleteWhere((key, { madeAtMs }) => key.startsWith(`${tenantId}/`) && madeAtMs < madeBeforeMs);
    },
  };
}

interface Held {
  readonly credentials: TenantCredentials;
  readonly renewAtMs: number;
}

function createSession(options: SessionsOptions, session: SessionOf): TenantSession {
  const { nowMs, random } = options;
  let held: Held | undefined;
  let renewing: Promise<Held> | undefined;
  let denied: { readonly error: TenantKeysError; readonly untilMs: number } | undefined;

  const renew = async (): Promise<Held> => {
    try {
      const credentials = await assumeTenantRole(options, session);
      const marginMs = RENEWAL_MARGIN_MS + random() * RENEWAL_JITTER_MS;
      return { credentials, renewAtMs: credentials.expiration.getTime() - marginMs };
    } catch (error) {
      const narrowed = narrowAwsError(error, "sts:AssumeRole");
      if (narrowed.code === "access_denied") denied = { error: narrowed, untilMs: nowMs() + DENIAL_KEPT_MS };
      // A denial is an answer, and the session ends with it. That STS can't be asked just now isn't.
      const isOutage = narrowed.code === "throttled" || narrowed.code === "aws_unavailable";
      const restMs = held === undefined ? 0 : held.credentials.expiration.getTime() - nowMs();
      if (!isOutage || held === undefined || restMs < USEFUL_MS) throw narrowed;
      return { ...held, renewAtMs: nowMs() + RENEWAL_RETRY_MS };
    }
  };
  const credentials = async () => {
    if (held !== undefined && nowMs() < held.renewAtMs) return held.credentials;
    if (denied !== undefined && nowMs() < denied.untilMs) throw denied.error;
    renewing ??= renew().finally(() => {
      renewing = undefined;
    });
    held = await renewing;
    return held.credentials;
  };
  const expire = () => {
    held = undefined;
  };
  const kms = new KMS({ ...options.kmsConfig, region: session.region, credentials });
  renewOnExpiry(kms, expire);
  return { kms, madeAtMs: nowMs(), credentials };
}

/**
 * Where KMS says that the session ended before its time (a clock that is wrong, say), the call is made once more with a
 * new one. The SDK itself would go on with the old one until it has ended by our clock.
 */
function renewOnExpiry(kms: KMS, expire: () => void): void {
  kms.middlewareStack.add(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        if (!isExpiredToken(error)) throw error;
        expire();
        await kms.config.credentials({ forceRefresh: true });
        return next(args);
      }
    },
    { step: "initialize", name: "tenantkeysRenewOnExpiry" },
  );
}

/** `{tenantId}@{applicationName}`: CloudTrail has it with every call of the session, also where tenants share a role. */
function sessionName(tenantId: TenantId, applicationName: string): string {
  return `${tenantId}@${applicationName}`;
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html */
async function assumeTenantRole(options: SessionsOptions, session: SessionOf): Promise<TenantCredentials> {
  const { tenantId, roleArn } = session;
  const { Credentials: answer } = await options.sts.send(
    new AssumeRoleCommand({
      RoleArn: roleArn,
      RoleSessionName: sessionName(tenantId, options.applicationName),
      DurationSeconds: options.sessionSeconds,
      Tags: [{ Key: SESSION_TAG, Value: tenantId }],
    }),
  );
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey } = answer ?? {};
  const { SessionToken: sessionToken, Expiration: expiration } = answer ?? {};
  const isWhole = accessKeyId !== undefined && secretAccessKey !== undefined;
  if (isWhole && sessionToken !== undefined && expiration !== undefined) {
    return { accessKeyId, secretAccessKey, sessionToken, expiration };
  }
  throw new TenantKeysError("aws_unexpected", "sts:AssumeRole: the answer holds no credentials", { tenantId });
}
