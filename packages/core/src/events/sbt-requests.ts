/**
 * The requests of SBT-AWS's control plane (awslabs/sbt-aws): a flat, free-form detail without a version, in which
 * `tenantId` and `tenantRegistrationId` (UUIDs) are the only guaranteed fields. Its code writes the names with the prefix
 * `sbt_aws_`, its guide without.
 */
import * as z from "zod/mini";
import { tenantIdSchema } from "./event-schemas.ts";
import type { TenantEventType } from "./tenant-event.ts";

/** What each request is read as. */
const SBT_REQUESTS = {
  onboardingRequest: "TenantSignedUp",
  offboardingRequest: "TenantOffboarded",
  activateRequest: "TenantResumed",
  deactivateRequest: "TenantSuspended",
} as const satisfies Record<string, TenantEventType>;

type SbtRequest = keyof typeof SBT_REQUESTS;
export type SbtEventType = (typeof SBT_REQUESTS)[SbtRequest];

const PREFIX = "sbt_aws_";

export const SBT_DETAIL_TYPES: readonly string[] = Object.keys(SBT_REQUESTS).flatMap((name) => [PREFIX + name, name]);

/** What a detail type of SBT-AWS is read as, or undefined where it is none of its requests. */
export function sbtEventType(detailType: string): SbtEventType | undefined {
  if (!SBT_DETAIL_TYPES.includes(detailType)) return undefined;
  return SBT_REQUESTS[detailType.replace(PREFIX, "") as SbtRequest];
}

/** What is read of each request; all other fields are left alone. */
export const sbtRequestSchema = z.looseObject({
  tenantId: tenantIdSchema,
  tenantRegistrationId: z.optional(z.string().check(z.minLength(1), z.maxLength(128))),
});

/** The JSON Schema of what is read, as kept in events/sbt-{request}/v1.schema.json. */
export function sbtRequestJsonSchema(request: SbtRequest): Record<string, unknown> {
  return {
    $id: `urn:tenantkeys:events:sbt_aws_${request}:v1`,
    title: `sbt_aws_${request}: what tenantkeys reads of its detail`,
    ...z.toJSONSchema(sbtRequestSchema),
  };
}
