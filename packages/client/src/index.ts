export type * from "./envelope.ts";
export { type HttpStatus, httpStatusOf } from "./http-status.ts";
export type * from "./key-access.ts";
export type * from "./tenant-keys.ts";
