export * from "./application-role.ts";
export * from "./count-resources.ts";
export * from "./emulator/index.ts";
export * from "./in-batches.ts";
export * from "./isolation-matrix.ts";
export * from "./local-stage.ts";
export * from "./tenant-sessions.ts";
