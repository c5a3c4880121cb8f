export { createTenantKeys } from "./create-tenant-keys.ts";
export {
  createEnvelope,
  type DataKey,
  type DataKeyCacheLimits,
  type Envelope,
  type EnvelopeFactory,
  type EnvelopeSettings,
  type FurtherContext,
} from "./envelope.ts";
export { type HttpStatus, httpStatusOf } from "./http-status.ts";
export type * from "./key-access.ts";
export type * from "./tenant-keys.ts";
