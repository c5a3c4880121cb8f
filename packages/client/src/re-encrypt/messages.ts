/**
 * Messages of the Encryption SDK to another key: each is decrypted and encrypted again, because its data key is bound to
 * its header. So the plaintext of one message at a time passes through memory here.
 */
import { type KeyName, TenantKeysError } from "@tenantkeys/core";
import type { FurtherContext } from "../encryption-context.ts";
import type { Envelope } from "../envelope.ts";
import type { KeyAccessSource, TenantKeyRef } from "../key-access.ts";
import { readHead } from "../message-header.ts";
import type { ReEncryptReport } from "./report.ts";
import { type Moved, type Page, type RunSettings, reEncrypt } from "./run.ts";

/** What `encrypt` gave, and the further context it was given. */
export interface StoredMessage {
  readonly id: string;
  readonly message: Uint8Array;
  readonly context?: FurtherContext | undefined;
}

/** The application's own store. */
export interface MessageStore {
  /** In words that are different for every other store: `table notes, bodies of acme`. */
  readonly name: string;
  /** @param cursor the `next` of the page before; undefined: from the beginning */
  pages(cursor: string | undefined): AsyncIterable<Page<StoredMessage>>;
  /**
   * Puts the new one in the old one's place, if the old one is still there: otherwise it throws, and what somebody else put
   * meanwhile stays.
   */
  put(id: string, message: Uint8Array, old: Uint8Array): Promise<void>;
}

export interface MessagesToMove {
  readonly source: KeyAccessSource;
  readonly envelope: Pick<Envelope, "encrypt" | "decrypt">;
  readonly store: MessageStore;
  /** Where to. */
  readonly to: TenantKeyRef;
  /** The name of the tenant's key that they are under; default: that of `to`, whose KMS key was replaced. */
  readonly from?: KeyName | undefined;
}

/** @throws TenantKeysError when pages can't be read, or the cursor is of another run */
export async function reEncryptMessages(
  messages: MessagesToMove,
  settings: RunSettings = {},
): Promise<ReEncryptReport> {
  const { source, store, to } = messages;
  const { keyArn } = await source.open(to);
  return reEncrypt(
    {
      target: `${store.name} to ${keyArn} (${to.stage}/${to.tenantId}/${to.keyName})`,
      pages: (cursor) => store.pages(cursor),
      idOf: ({ id }) => id,
      move: (item, dryRun) => moveMessage(messages, keyArn, item, dryRun),
    },
    settings,
  );
}

async function moveMessage(
  { envelope, store, to, from = to.keyName }: MessagesToMove,
  keyArn: string,
  { id, message, context }: StoredMessage,
  dryRun: boolean,
): Promise<Moved> {
  const head = readHead(message);
  if (head === undefined) throw new TenantKeysError("ciphertext_corrupted", `${id}: the message was cut short`);
  const isUnderNewKey = head.wrappedBy.some(({ providerInfo }) => providerInfo === keyArn);
  if (isUnderNewKey && head.encryptionContext.keyName === to.keyName) return { kind: "skipped" };
  const plaintext = await envelope.decrypt({ ...to, keyName: from }, message, context);
  try {
    if (!dryRun) await store.put(id, await envelope.encrypt(to, plaintext, context), message);
  } finally {
    plaintext.fill(0);
  }
  return { kind: "moved" };
}
