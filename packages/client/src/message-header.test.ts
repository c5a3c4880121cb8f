import { type KeyArn, parseKeyName, parseStage, parseTenantId, type RoleArn } from "@tenantkeys/core";
import { describe, expect, it } from "vitest";
import type { KeyAccess } from "./key-access.ts";
import { createMessageEnd } from "./message-end.ts";
import { HEADER_BYTES_MAX, type MessageHead, readHead, requireOwnMessage } from "./message-header.ts";

const arn = (region: string, id: string) => `arn:aws:kms:${region}:000000000000:key/${id}` as KeyArn;
const HERE = arn("eu-west-1", "mrk-1");

const access = (decryptKeyArns: readonly KeyArn[]): KeyAccess => ({
  stage: parseStage("local"),
  tenantId: parseTenantId("acme"),
  keyName: parseKeyName("default"),
  keyArn: HERE,
  decryptKeyArns,
  roleArn: "arn:aws:iam::000000000000:role/tenantkeys/local/tk-local-acme" as RoleArn,
  kms: undefined as never,
  credentials: () => Promise.reject(new Error("nobody is asked")),
});

const FORM = { headerBytes: 0, framed: true, frameBytes: 10, ivBytes: 12, tagBytes: 16, signed: false };
const wrappedBy = (...providerInfo: string[]): MessageHead => ({
  ...FORM,
  encryptionContext: { tenant: "acme", keyName: "default", stage: "local" },
  wrappedBy: providerInfo.map((info) => ({ providerId: "aws-kms", providerInfo: info })),
});

/** Version 2 of AWS's "message header structure": one pair of context, one wrapped data key, frames of 10 bytes. */
function headerOf(tenant: string): Buffer {
  const sized = (text: string) => Buffer.concat([Buffer.of(0, text.length), Buffer.from(text)]);
  const context = Buffer.concat([Buffer.of(0, 1), sized("tenant"), sized(tenant)]);
  const wrapped = [Buffer.of(0, 1), sized("aws-kms"), sized(HERE), sized("wrapped")];
  const form = Buffer.of(2, 0, 0, 0, 10);
  const parts = [Buffer.of(2, 0x04, 0x78), Buffer.alloc(32, 1), Buffer.of(0, context.byteLength), context, ...wrapped];
  return Buffer.concat([...parts, form, Buffer.alloc(32, 2), Buffer.alloc(16, 3)]);
}

describe("the key that opens a message", () => {
  it("is the one that wrapped its data key", () => {
    const replaced = arn("eu-west-1", "2");
    expect(requireOwnMessage(wrappedBy(HERE), access([HERE, replaced]))).toBe(HERE);
    expect(requireOwnMessage(wrappedBy(replaced), access([HERE, replaced]))).toBe(replaced);
  });

  it("is the replica of the session's Region, of a key of several Regions", () => {
    const elsewhere = arn("us-east-1", "mrk-1");
    expect(requireOwnMessage(wrappedBy(elsewhere), access([HERE, elsewhere]))).toBe(HERE);
  });

  it("isn't there where a key of another Region has no replica here", () => {
    for (const elsewhere of [arn("us-east-1", "mrk-2"), arn("us-east-1", "3")]) {
      // A key of one Region may have the id of one of another Region by chance: that isn't its replica.
      const keys = [HERE, elsewhere, arn("eu-west-1", "3")];
      expect(() => requireOwnMessage(wrappedBy(elsewhere), access(keys))).toThrow(
        expect.objectContaining({ code: "key_unknown", message: expect.stringContaining("no replica in eu-west-1") }),
      );
    }
  });

  it("isn't there for the tenant's own branch key: that is the client's option, and nobody else's ciphertext", () => {
    const of = (providerInfo: string): MessageHead => ({
      ...wrappedBy(),
      wrappedBy: [{ providerId: "aws-kms-hierarchy", providerInfo }],
    });
    expect(() => requireOwnMessage(of("acme/default"), access([HERE]))).toThrow(
      expect.objectContaining({ code: "settings_invalid", message: expect.stringContaining("branchKeyEnvelope()") }),
    );
    expect(() => requireOwnMessage(of("globex/default"), access([HERE]))).toThrow(
      expect.objectContaining({ code: "ciphertext_of_another_tenant" }),
    );
  });

  it.each([
    ["another key", [arn("eu-west-1", "9")]],
    ["a replica that isn't declared", [arn("us-east-1", "mrk-1")]],
    ["no key at all", []],
    ["two keys, both the tenant's", [HERE, HERE]],
    ["an alias", ["alias/tenantkeys/local/acme/default"]],
  ])("isn't %s", (_name, keys) => {
    expect(() => requireOwnMessage(wrappedBy(...keys), access([HERE]))).toThrow(
      expect.objectContaining({ code: "ciphertext_of_another_tenant" }),
    );
  });
});

describe("a header", () => {
  it("that isn't whole yet is waited for, up to a bound", () => {
    // Version 2, the suite, a message id, and a context of 65,535 bytes that hasn't come.
    const begun = Buffer.alloc(HEADER_BYTES_MAX, 0xff);
    begun.set([2, 0x04, 0x78]);
    expect(readHead(new Uint8Array())).toBeUndefined();
    expect(readHead(begun.subarray(0, -1))).toBeUndefined();
    expect(() => readHead(begun)).toThrow(expect.objectContaining({ code: "ciphertext_corrupted" }));
  });

  it("is read for itself, whichever was read before: alike but for one byte, or of one data key", () => {
    const one = headerOf("acme");
    const again = headerOf("acme");
    again.fill(0x55, 3, 35);
    again.fill(0x66, again.byteLength - 48);
    const another = headerOf("acmf");
    const smaller = headerOf("acme");
    smaller.writeUInt32BE(7, smaller.byteLength - 52);
    const tenants = [one, again, another, one].map((bytes) => readHead(bytes)?.encryptionContext.tenant);
    expect(tenants).toEqual(["acme", "acme", "acmf", "acme"]);
    expect([smaller, one].map((bytes) => readHead(bytes)?.frameBytes)).toEqual([7, 10]);
    expect(readHead(one.subarray(0, -1))).toBeUndefined();
    expect(readHead(Buffer.concat([one, Buffer.alloc(5)]))?.headerBytes).toBe(one.byteLength);
  });

  it.each([
    ["version 1, whose suites don't commit to a key", [1, 0x80, 0x03, 0x78]],
    ["a suite of version 1", [2, 0x03, 0x78]],
    ["base64 of a message", [0x41]],
  ])("of %s is refused", (_name, beginning) => {
    const bytes = Buffer.alloc(200);
    bytes.set(beginning);
    expect(() => readHead(bytes)).toThrow(expect.objectContaining({ code: "ciphertext_corrupted" }));
  });
});

describe("the end of a message", () => {
  const frame = (sequence: number, length = 10) => {
    const bytes = Buffer.alloc(4 + 12 + length + 16, 0xab);
    bytes.writeUInt32BE(sequence);
    return bytes;
  };
  const final = (length: number) => {
    const bytes = Buffer.alloc(4 + 4 + 12 + 4 + length + 16, 0xab);
    bytes.writeUInt32BE(0xffffffff);
    bytes.writeUInt32BE(length, 20);
    return bytes;
  };
  const unframed = (length: number) => {
    const bytes = Buffer.alloc(12 + 8 + length + 16, 0xab);
    bytes.writeBigUInt64BE(BigInt(length), 12);
    return bytes;
  };
  const signature = (length: number) => {
    const bytes = Buffer.alloc(2 + length, 0xab);
    bytes.writeUInt16BE(length);
    return bytes;
  };

  it.each([
    ["a final frame alone", {}, [final(3)]],
    ["an empty final frame", {}, [frame(1), final(0)]],
    ["frames and a final frame", {}, [frame(1), frame(2), final(10)]],
    ["a signature", { signed: true }, [frame(1), final(1), signature(100)]],
    ["an empty signature", { signed: true }, [final(1), signature(0)]],
    ["no frames", { framed: false }, [unframed(50)]],
    ["no frames, and a signature", { framed: false, signed: true }, [unframed(0), signature(3)]],
  ])("with %s is found, however it comes in pieces", (_name, form, parts) => {
    const body = Buffer.concat(parts);
    for (const size of [1, 7, body.byteLength]) {
      const end = createMessageEnd({ ...FORM, ...form });
      for (let at = 0; at < body.byteLength; at += size) {
        expect(() => end.requireReached()).toThrow("it was cut short");
        end.take(body.subarray(at, at + size));
      }
      end.requireReached();
      expect(() => end.take(Buffer.of(0))).toThrow("bytes follow its end");
    }
  });
});
