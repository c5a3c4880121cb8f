/**
 * Wrapped data keys that the application keeps beside its data, to another key: by KMS ReEncrypt, so no plaintext of any
 * data key ever leaves KMS, and the data itself isn't touched.
 * https://docs.aws.amazon.com/kms/latest/APIReference/API_ReEncrypt.html
 */
import { type KeyName, TenantKeysError } from "@tenantkeys/core";
import { encryptionContextOf, type FurtherContext } from "../encryption-context.ts";
import type { KeyAccess, KeyAccessSource, TenantKeyRef } from "../key-access.ts";
import type { ReEncryptReport } from "./report.ts";
import { type Moved, type Page, type RunSettings, reEncrypt } from "./run.ts";

/** What `withDataKey` gave as `wrapped`, and the further context it was given. */
export interface WrappedDataKey {
  readonly id: string;
  readonly wrapped: Uint8Array;
  readonly context?: FurtherContext | undefined;
}

/** The application's own store. */
export interface DataKeyStore {
  /** In words that are different for every other store: `table notes, keys of acme`. */
  readonly name: string;
  /** @param cursor the `next` of the page before; undefined: from the beginning */
  pages(cursor: string | undefined): AsyncIterable<Page<WrappedDataKey>>;
  /**
   * Puts the new one in the old one's place, if the old one is still there: otherwise it throws, and what somebody else put
   * meanwhile stays.
   */
  put(id: string, wrapped: Uint8Array, old: Uint8Array): Promise<void>;
}

export interface DataKeysToMove {
  readonly source: KeyAccessSource;
  readonly store: DataKeyStore;
  /** Where to. */
  readonly to: TenantKeyRef;
  /** The name of the tenant's key that they are under; default: that of `to`, whose KMS key was replaced. */
  readonly from?: KeyName | undefined;
}

/** @throws TenantKeysError when pages can't be read, or the cursor is of another run */
export async function reEncryptDataKeys(keys: DataKeysToMove, settings: RunSettings = {}): Promise<ReEncryptReport> {
  const { source, store, to } = keys;
  const from = { ...to, keyName: keys.from ?? to.keyName };
  // A run is of one KMS key: when that is replaced meanwhile, the cursor is of another run.
  const { keyArn } = await source.open(to);
  return reEncrypt(
    {
      target: `${store.name} to ${keyArn} (${to.stage}/${to.tenantId}/${to.keyName})`,
      pages: (cursor) => store.pages(cursor),
      idOf: ({ id }) => id,
      async move(item, dryRun) {
        const access = await opened(source, to, keyArn);
        const held = from.keyName === to.keyName ? access : await source.open(from);
        return moveDataKey({ source, store, access, from: held }, item, dryRun);
      },
    },
    settings,
  );
}

async function opened(source: KeyAccessSource, to: TenantKeyRef, keyArn: string): Promise<KeyAccess> {
  const access = await source.open(to);
  if (access.keyArn === keyArn) return access;
  const { tenantId, keyName } = to;
  const message = `the key was replaced by ${access.keyArn} during the run: start it again`;
  throw new TenantKeysError("state_conflict", message, { tenantId, keyName });
}

interface Moving {
  readonly source: KeyAccessSource;
  readonly store: DataKeyStore;
  readonly access: KeyAccess;
  readonly from: KeyAccess;
}

async function moveDataKey(moving: Moving, item: WrappedDataKey, dryRun: boolean): Promise<Moved> {
  const { store, access, from } = moving;
  const again = await reWrapped(moving, item, from);
  // Under the other name's context it can't be opened: then it may have been moved before.
  const found = again ?? (from.keyName === access.keyName ? undefined : await reWrapped(moving, item, access));
  if (found === undefined) {
    const message = `${item.id}: KMS can't decrypt it with the tenant's keys and this encryption context`;
    throw new TenantKeysError("ciphertext_corrupted", message, { tenantId: access.tenantId, keyName: from.keyName });
  }
  if (found.keyArn === access.keyArn) return { kind: "skipped" };
  if (!dryRun) await store.put(item.id, found.wrapped, item.wrapped);
  return { kind: "moved" };
}

/** KMS says nothing else of a ciphertext that isn't whole, or that has another encryption context. */
const NOT_OPENED = ["InvalidCiphertextException", "IncorrectKeyException"];

/** @returns the data key under the new key, and the key that it is under; undefined where KMS can't open it */
async function reWrapped(
  { source, access }: Moving,
  { wrapped, context }: WrappedDataKey,
  from: KeyAccess,
): Promise<{ readonly wrapped: Uint8Array; readonly keyArn: string } | undefined> {
  const step = "kms:ReEncrypt";
  try {
    const answer = await access.kms.reEncrypt({
      CiphertextBlob: wrapped,
      SourceEncryptionContext: encryptionContextOf(from, context),
      DestinationKeyId: access.keyArn,
      DestinationEncryptionContext: encryptionContextOf(access, context),
    });
    const { CiphertextBlob: blob, SourceKeyId: keyArn } = answer;
    if (blob === undefined || keyArn === undefined) {
      throw new TenantKeysError("aws_unexpected", `${step}: the answer holds no ciphertext`, { step });
    }
    refuseForeign(access, from, keyArn);
    return { wrapped: blob, keyArn };
  } catch (error) {
    if (error instanceof Error && NOT_OPENED.includes(error.name)) return undefined;
    throw await source.explain(access, error, step);
  }
}

/** Where a tenant's role may use more than its own keys by mistake, nothing of another tenant's is taken over. */
function refuseForeign(access: KeyAccess, from: KeyAccess, keyArn: string): void {
  if ([...access.decryptKeyArns, ...from.decryptKeyArns].some((known) => known === keyArn)) return;
  const { tenantId, keyName } = access;
  const message = `the data key is wrapped by ${keyArn}, which isn't one of the tenant's keys`;
  throw new TenantKeysError("ciphertext_of_another_tenant", message, { tenantId, keyName });
}
