/**
 * The onboarding request of SBT-AWS (awslabs/sbt-aws): a flat, free-form detail without a version, in which `tenantId`
 * and `tenantRegistrationId` (UUIDs) are the only guaranteed fields. Its guide and its code spell the name differently.
 */
import * as z from "zod/mini";
import { TENANT_ID_PATTERN } from "../ids.ts";

export const SBT_ONBOARDING_REQUESTS = ["sbt_aws_onboardingRequest", "onboardingRequest"] as const;

export const sbtOnboardingRequestSchema = z.looseObject({
  tenantId: z.string().check(z.regex(TENANT_ID_PATTERN, "expected 1 to 36 of a-z, 0-9 and -, lowercase")),
  tenantRegistrationId: z.optional(z.string().check(z.minLength(1), z.maxLength(128))),
});
