/** `@tenantkeys/client/re-encrypt`: moves what a tenant has encrypted to another of its keys. See docs/re-encrypt.md. */
export { type CursorStore, fileCursorStore, s3CursorStore } from "./cursor-store.ts";
export { type DataKeyStore, type DataKeysToMove, reEncryptDataKeys, type WrappedDataKey } from "./data-keys.ts";
export { type MessageStore, type MessagesToMove, reEncryptMessages, type StoredMessage } from "./messages.ts";
export { type ObjectsSettings, type ObjectsToMove, reEncryptObjects, tenantS3 } from "./objects.ts";
export type { Counts, Failure, Progress, ReEncryptReport, RunEnd } from "./report.ts";
export { type Moved, type Moving, type Page, type RunSettings, reEncrypt } from "./run.ts";
export { type ThroughTenantKeys, throughTenantKeys } from "./through-tenant-keys.ts";
