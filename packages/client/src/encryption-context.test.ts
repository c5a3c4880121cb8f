import { parseKeyName, parseStage, parseTenantId } from "@tenantkeys/core";
import { describe, expect, it } from "vitest";
import { encryptionContextOf, requireContext } from "./encryption-context.ts";

const REF = { stage: parseStage("local"), tenantId: parseTenantId("acme"), keyName: parseKeyName("default") };
const OWN = { tenant: "acme", keyName: "default", stage: "local" };

describe("the context of a ciphertext", () => {
  it("has tenant, key name and stage, and the further pairs", () => {
    expect(encryptionContextOf(REF)).toEqual(OWN);
    expect(encryptionContextOf(REF, { document: "7" })).toEqual({ ...OWN, document: "7" });
  });

  it.each([
    [{ tenant: "globex" }, '"tenant" is set by tenantkeys'],
    [{ tenant: "acme" }, '"tenant" is set by tenantkeys'],
    [{ keyName: "payroll" }, '"keyName" is set by tenantkeys'],
    [{ stage: "production" }, '"stage" is set by tenantkeys'],
    [{ "aws-crypto-public-key": "x" }, "the Encryption SDK keeps aws-crypto-*"],
    [{ "": "x" }, '"" can\'t be the name of a pair'],
    [JSON.parse('{"__proto__": "x"}'), "can't be the name of a pair"],
    [{ document: "" }, '"document" needs a value that is a string'],
    [{ document: 7 as unknown as string }, '"document" needs a value that is a string'],
    [{ document: "é".repeat(4_096) }, "KMS takes 8192"],
    [{ "half \ud83d": "x" }, "is no whole Unicode text"],
    [{ document: "half \ud83d" }, "is no whole Unicode text"],
  ])("never takes %j", (further, why) => {
    expect(() => encryptionContextOf(REF, further)).toThrow(
      expect.objectContaining({ code: "encryption_context_invalid", message: expect.stringContaining(why) }),
    );
  });
});

describe("a ciphertext's own context", () => {
  it("is the tenant key's with any further pairs, of which those that are asked for must be there", () => {
    const found = { ...OWN, document: "7" };
    for (const further of [undefined, {}, { document: "7" }]) {
      expect(() => requireContext(REF, found, further)).not.toThrow();
    }
    expect(() => requireContext(REF, found, { document: "8" })).toThrow(
      expect.objectContaining({ code: "encryption_context_invalid" }),
    );
  });

  it.each([
    [{ ...OWN, tenant: "globex" }, 'of tenant "globex", key "default", stage "local"'],
    [{ ...OWN, tenant: "ACME" }, 'of tenant "ACME"'],
    [{ ...OWN, keyName: "payroll" }, 'of tenant "acme", key "payroll"'],
    [{ ...OWN, stage: "production" }, 'stage "production"'],
    [{ tenant: "acme" }, 'of tenant "acme", key unnamed, stage unnamed'],
    [{}, "of nobody that it names"],
  ])("%j is of somebody else", (found, whose) => {
    expect(() => requireContext(REF, found)).toThrow(
      expect.objectContaining({ code: "ciphertext_of_another_tenant", message: expect.stringContaining(whose) }),
    );
  });

  it("that somebody else wrote is shown short and without control characters", () => {
    const tenant = `\u001b[2J\n${"x".repeat(10_000)}`;
    try {
      requireContext(REF, { ...OWN, tenant });
      expect.unreachable();
    } catch (error) {
      const { message } = error as Error;
      expect(message.length).toBeLessThan(300);
      expect(message).not.toContain("\u001b");
      expect(message).not.toContain("\n");
    }
  });
});
