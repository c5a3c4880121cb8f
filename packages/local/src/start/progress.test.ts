import fc from "fast-check";
import { expect, test } from "vitest";
import { progressBar } from "./progress.ts";

test.each([
  [0, 25, "░░░░░░░░░░░░░░░░░░░░░░░░ 0/25"],
  [18, 25, "█████████████████░░░░░░░ 18/25"],
  [25, 25, "████████████████████████ 25/25"],
  [0, 0, "████████████████████████ 0/0"],
])("%i of %i is shown as %s", (done, total, bar) => {
  expect(progressBar(done, total)).toBe(bar);
});

test("a bar is always as long, and never shorter for more done", () => {
  const filled = (bar: string) => bar.split("█").length - 1;
  fc.assert(
    fc.property(fc.nat(10_000), fc.nat(10_000), fc.nat(10_000), (done, more, total) => {
      const [before, after] = [progressBar(done, total), progressBar(done + more, total)];
      expect(before.split(" ")[0]).toHaveLength(24);
      expect(filled(after)).toBeGreaterThanOrEqual(filled(before));
    }),
  );
});
