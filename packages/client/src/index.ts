export type * from "./key-access.ts";
export type * from "./tenant-keys.ts";
