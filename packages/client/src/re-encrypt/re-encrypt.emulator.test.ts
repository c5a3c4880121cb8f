/** Data keys and messages that are moved to another key, with the KMS of the local AWS. Objects: test/e2e/re-encrypt.e2e.test.ts. */
import { type KeyArn, parseKeyName } from "@tenantkeys/core";
import { type Emulator, startEmulator } from "@tenantkeys/local";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  type EmulatedTenant,
  makeTenant,
  makeTenantKey,
  rootOf,
  SimpleSource,
} from "../../../../test/support/emulated-tenants.ts";
import { createEnvelope, type Envelope } from "../envelope.ts";
import type { KeyAccess, TenantKeyRef } from "../key-access.ts";
import { type DataKeyStore, reEncryptDataKeys } from "./data-keys.ts";
import { type MessageStore, reEncryptMessages } from "./messages.ts";
import type { Page } from "./run.ts";

const DEFAULT = parseKeyName("default");
const DOCUMENTS = parseKeyName("documents");

let emulator: Emulator;
let acme: EmulatedTenant;
let globex: EmulatedTenant;
let before: KeyAccess;
let replaced: KeyAccess;
let documents: KeyAccess;

beforeAll(async () => {
  emulator = await startEmulator();
  [acme, globex] = await Promise.all([makeTenant(emulator, "acme"), makeTenant(emulator, "globex")]);
  before = acme.access;
  const [newKey, documentsKey] = await Promise.all([anotherKey(), anotherKey()]);
  replaced = { ...before, keyArn: newKey, decryptKeyArns: [newKey, before.keyArn] };
  documents = { ...before, keyName: DOCUMENTS, keyArn: documentsKey, decryptKeyArns: [documentsKey] };
}, 120_000);

afterAll(() => emulator?.stop());

const anotherKey = (): Promise<KeyArn> => makeTenantKey(rootOf(emulator), acme.access.roleArn);

/** The keys of acme by their names, as a registry has them. */
class KeysByName extends SimpleSource {
  current: Readonly<Record<string, KeyAccess>> = { default: before, documents };

  override async open(ref: TenantKeyRef): Promise<KeyAccess> {
    const access = ref.tenantId === "acme" ? this.current[ref.keyName] : undefined;
    return access ?? super.open(ref);
  }
}

/** Ciphertexts by id, two a page, each replaced only if it is what it was. */
class Shelf {
  readonly name = "a shelf";
  readonly held = new Map<string, Uint8Array>();
  puts = 0;

  protected async *pagesOf<Item>(itemOf: (id: string, bytes: Uint8Array) => Item): AsyncGenerator<Page<Item>> {
    const entries = [...this.held];
    for (let at = 0; at < entries.length; at += 2) {
      const items = entries.slice(at, at + 2).map(([id, bytes]) => itemOf(id, bytes));
      yield { items, next: at + 2 < entries.length ? String(at + 2) : undefined };
    }
  }

  async put(id: string, bytes: Uint8Array, old: Uint8Array): Promise<void> {
    if (this.held.get(id) !== old) throw new Error("somebody else put another");
    this.puts += 1;
    this.held.set(id, bytes);
  }
}

class KeyShelf extends Shelf implements DataKeyStore {
  pages = () => this.pagesOf((id, wrapped) => ({ id, wrapped, context: { note: id } }));
}

class MessageShelf extends Shelf implements MessageStore {
  pages = () => this.pagesOf((id, message) => ({ id, message, context: { note: id } }));
}

let source: KeysByName;
let envelope: Envelope;

beforeEach(() => {
  source = new KeysByName([acme.access, globex.access]);
  envelope = createEnvelope(source, { cache: false });
});

describe("wrapped data keys", () => {
  const IDS = ["one", "two", "three"];
  let shelf: KeyShelf;
  const plaintexts = new Map<string, string>();

  beforeEach(async () => {
    shelf = new KeyShelf();
    for (const id of IDS) {
      await envelope.withDataKey(
        before,
        async ({ plaintext, wrapped }) => {
          plaintexts.set(id, Buffer.from(plaintext).toString("hex"));
          shelf.held.set(id, wrapped);
        },
        { note: id },
      );
    }
  });

  const opened = (ref: TenantKeyRef, id: string) =>
    envelope.openDataKey(ref, shelf.held.get(id) ?? new Uint8Array(), async (key) => Buffer.from(key).toString("hex"), {
      note: id,
    });

  test("come under the key that replaced theirs, each once, and are the same keys", async () => {
    source.current = { default: replaced };
    const work = { source, store: shelf, to: replaced };
    expect(await reEncryptDataKeys(work, { dryRun: true })).toMatchObject({ moved: 3, end: "complete" });
    expect(shelf.puts).toBe(0);
    expect(await reEncryptDataKeys(work)).toMatchObject({ seen: 3, moved: 3, failed: 0, end: "complete" });
    expect(await reEncryptDataKeys(work)).toMatchObject({ seen: 3, moved: 0, skipped: 3 });
    expect(shelf.puts).toBe(3);
    // Without the old key: it isn't needed any more.
    source.current = { default: { ...replaced, decryptKeyArns: [replaced.keyArn] } };
    for (const id of IDS) expect(await opened(replaced, id)).toBe(plaintexts.get(id));
  });

  test("come under the tenant's key of another name, bound to that name, each once", async () => {
    const work = { source, store: shelf, to: documents, from: DEFAULT };
    expect(await reEncryptDataKeys(work)).toMatchObject({ moved: 3, failed: 0 });
    expect(await reEncryptDataKeys(work)).toMatchObject({ moved: 0, skipped: 3 });
    for (const id of IDS) expect(await opened(documents, id)).toBe(plaintexts.get(id));
    await expect(opened(before, "one")).rejects.toThrow();
  });

  test("of another tenant or another context stay as they are", async () => {
    source.current = { default: replaced };
    await envelope.withDataKey(globex.access, async ({ wrapped }) => void shelf.held.set("foreign", wrapped), {
      note: "foreign",
    });
    shelf.held.set("two", shelf.held.get("one") ?? new Uint8Array());
    const one = shelf.held.get("one");
    const report = await reEncryptDataKeys({ source, store: shelf, to: replaced });
    expect(report).toMatchObject({ moved: 2, failed: 2 });
    const reasons = Object.fromEntries(report.failures.map(({ id, code }) => [id, code]));
    expect(reasons).toEqual({ two: "ciphertext_corrupted", foreign: "access_denied" });
    expect(shelf.held.get("two")).toBe(one);
  });
});

describe("messages", () => {
  test("come under the key that replaced theirs, each once, and say the same", async () => {
    const shelf = new MessageShelf();
    for (const id of ["a", "b", "c"]) {
      shelf.held.set(id, await envelope.encrypt(before, Buffer.from(`text ${id}`), { note: id }));
    }
    source.current = { default: replaced };
    const work = { source, envelope, store: shelf, to: replaced };
    expect(await reEncryptMessages(work, { dryRun: true })).toMatchObject({ moved: 3, failed: 0 });
    expect(await reEncryptMessages(work)).toMatchObject({ moved: 3, failed: 0 });
    expect(await reEncryptMessages(work)).toMatchObject({ moved: 0, skipped: 3 });
    expect(shelf.puts).toBe(3);
    source.current = { default: { ...replaced, decryptKeyArns: [replaced.keyArn] } };
    for (const [id, message] of shelf.held) {
      expect(Buffer.from(await envelope.decrypt(replaced, message, { note: id })).toString()).toBe(`text ${id}`);
    }
  });

  test("of another tenant, and those that were cut short, stay as they are", async () => {
    const shelf = new MessageShelf();
    const whole = await envelope.encrypt(before, Buffer.from("whole"), { note: "cut" });
    shelf.held.set("cut", whole.subarray(0, 40));
    shelf.held.set("foreign", await envelope.encrypt(globex.access, Buffer.from("theirs"), { note: "foreign" }));
    source.current = { default: replaced };
    const report = await reEncryptMessages({ source, envelope, store: shelf, to: replaced });
    const reasons = Object.fromEntries(report.failures.map(({ id, code }) => [id, code]));
    expect([reasons, shelf.puts]).toEqual([
      { cut: "ciphertext_corrupted", foreign: "ciphertext_of_another_tenant" },
      0,
    ]);
  });
});
