/** The event `TenantSignedUp`, version 1: a tenant has signed up and wants its keys. */
import * as z from "zod/mini";
import { KEY_NAME_PATTERN, TENANT_ID_PATTERN } from "../ids.ts";

export const TENANT_SIGNED_UP = "TenantSignedUp";

export const tenantSignedUpSchema = z.strictObject({
  version: z.literal("1"),
  /** 1 to 36 of a-z, 0-9 and -, starting with a letter or digit. A UUID fits. */
  tenantId: z.string().check(z.regex(TENANT_ID_PATTERN, "expected 1 to 36 of a-z, 0-9 and -, lowercase")),
  /** One key per name (data class). Absent: one key named `default`. */
  keyNames: z.optional(
    z.array(z.string().check(z.regex(KEY_NAME_PATTERN, "expected 1 to 32 of a-z, 0-9 and -, lowercase"))).check(
      z.minLength(1),
      z.maxLength(10),
      z.refine((names) => new Set(names).size === names.length, "expected no name twice"),
    ),
  ),
  /** Orders the declarations about one tenant: a higher one wins. Absent: the event's time in epoch milliseconds. */
  generation: z.optional(z.int().check(z.minimum(1), z.maximum(Number.MAX_SAFE_INTEGER))),
  /** A key profile of the stage. Absent: `default`. */
  profile: z.optional(z.string().check(z.regex(KEY_NAME_PATTERN, "expected the name of a key profile"))),
});

export type TenantSignedUp = z.infer<typeof tenantSignedUpSchema>;

/** The JSON Schema of the detail, as kept in events/TenantSignedUp/v1.schema.json. */
export function tenantSignedUpJsonSchema(): Record<string, unknown> {
  return {
    $id: "urn:tenantkeys:events:TenantSignedUp:v1",
    title: "TenantSignedUp, version 1: the detail of the event",
    ...z.toJSONSchema(tenantSignedUpSchema, {
      // A refinement has no counterpart in JSON Schema; this one does, and keyNames is the only list.
      override: ({ jsonSchema }) => {
        if (jsonSchema.type === "array") jsonSchema.uniqueItems = true;
      },
    }),
  };
}
