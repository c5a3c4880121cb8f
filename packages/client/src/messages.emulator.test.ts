import { type Emulator, startEmulator } from "@tenantkeys/local";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EmulatedTenant, makeTenant, SimpleSource } from "../../../test/support/emulated-tenants.ts";
import { createEnvelope, type Envelope } from "./envelope.ts";

let emulator: Emulator;
let acme: EmulatedTenant;
let globex: EmulatedTenant;
let source: SimpleSource;
let envelope: Envelope;

beforeAll(async () => {
  emulator = await startEmulator();
  [acme, globex] = await Promise.all([makeTenant(emulator, "acme"), makeTenant(emulator, "globex")]);
  source = new SimpleSource([acme.access, globex.access]);
  envelope = createEnvelope(source);
}, 120_000);

afterAll(async () => {
  envelope?.destroy();
  await emulator?.stop();
});

const bytes = (length: number) => Uint8Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) % 256);

describe("a message", () => {
  it.each([0, 1, 1_024, 65_535, 65_536, 65_537, 1_048_576])("of %i bytes comes back as it was", async (length) => {
    const plaintext = bytes(length);
    const message = await envelope.encrypt(acme.access, plaintext);
    expect(Buffer.compare(await envelope.decrypt(acme.access, message), plaintext)).toBe(0);
  });
});
