export type { DataKeyCacheLimits, Envelope, EnvelopeSettings, FurtherContext } from "./envelope.ts";
export type * from "./key-access.ts";
export type * from "./tenant-keys.ts";
