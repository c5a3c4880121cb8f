/** The events this project publishes about a sign-up. At least once each: the reply id is the same for the same fact. */
import type { TenantKeysError } from "../errors.ts";
import type { AliasName, KeyArn, KeyName, RoleArn, Stage, TenantId } from "../ids.ts";

/** The `source` of every event that this project publishes. */
export const REPLY_SOURCE = "tenantkeys";

export interface ProvisionedKey {
  readonly stage: Stage;
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly generation: number;
  readonly keyArn: KeyArn;
  readonly aliasName: AliasName;
  readonly roleArn: RoleArn;
  readonly eventId: string;
  readonly tenantRegistrationId?: string | undefined;
}

export interface Reply {
  readonly detailType: "TenantKeyProvisioned" | "TenantKeyProvisioningFailed";
  readonly detail: Readonly<Record<string, unknown>>;
}

export function provisionedReply(key: ProvisionedKey): Reply {
  const replyId = `${key.stage}/${key.tenantId}/${key.keyName}/${key.generation}/provisioned`;
  return { detailType: "TenantKeyProvisioned", detail: { version: "1", replyId, ...key } };
}

/** What is known of a sign-up that failed; the tenant is missing where the event didn't say it. */
export function provisioningFailedReply(stage: Stage, eventId: string, error: TenantKeysError): Reply {
  const { tenantId, keyName, step, field } = error.details;
  const replyId = `${stage}/${tenantId ?? "-"}/${keyName ?? "-"}/${eventId}/${error.code}`;
  return {
    detailType: "TenantKeyProvisioningFailed",
    detail: {
      version: "1",
      replyId,
      stage,
      tenantId,
      keyName,
      eventId,
      code: error.code,
      message: error.message.slice(0, 2000),
      step,
      field,
      nextAction: error.nextAction,
      keptIn: error.retryable ? "dead-letter queue" : "refused store",
    },
  };
}
