export type * from "./key-access.ts";
