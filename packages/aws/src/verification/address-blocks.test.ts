import fc from "fast-check";
import { expect, test } from "vitest";
import { isInsideBlocks } from "./address-blocks.ts";

test.each([
  ["10.1.2.3", ["10.0.0.0/8"]],
  ["192.0.2.7", ["10.0.0.0/8", "192.0.2.7/32"]],
  ["203.0.113.9", ["0.0.0.0/0"]],
  ["2001:db8::7", ["2001:db8::/32"]],
  ["::ffff:10.1.2.3", ["10.0.0.0/8"]],
  ["2001:0db8:0000:0000:0000:0000:0000:0007", ["10.0.0.0/8", "2001:db8::7/128"]],
  ["10.1.2.3", ["10.255.255.255/8"]],
])("%s is inside %j", (address, cidrs) => {
  expect(isInsideBlocks(address, cidrs)).toBe(true);
});

test.each([
  ["11.0.0.0", ["10.0.0.0/8"]],
  ["192.0.2.8", ["192.0.2.7/32"]],
  ["2001:db9::7", ["2001:db8::/32"]],
  ["2001:db8::7", ["10.0.0.0/8"]],
  ["10.1.2.3", ["2001:db8::/32"]],
  ["10.1.2.3", []],
  ["s3.amazonaws.com", ["0.0.0.0/0"]],
  ["10.1.2", ["0.0.0.0/0"]],
  ["", ["0.0.0.0/0", "::/0"]],
])("%s isn't inside %j", (address, cidrs) => {
  expect(isInsideBlocks(address, cidrs)).toBe(false);
});

test("an address is inside every block of its own bits, and outside the one beside it", () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 1, max: 32 }), (address, length) => {
      const bits = address.split(".").reduce((value, part) => value * 256 + Number(part), 0);
      const beside = bits ^ (1 << (32 - length));
      const text = [24, 16, 8, 0].map((shift) => (beside >>> shift) & 255).join(".");
      expect(isInsideBlocks(address, [`${address}/${length}`])).toBe(true);
      expect(isInsideBlocks(address, [`${text}/${length}`])).toBe(false);
    }),
  );
});
