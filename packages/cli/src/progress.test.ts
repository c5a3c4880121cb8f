import { expect, test } from "vitest";
import { createProgress } from "./progress.ts";

function write(mode: "line" | "lines" | "none") {
  let nowMs = 0;
  let written = "";
  const clock = { nowMs: () => nowMs, sleep: async () => {} };
  const progress = createProgress((text) => (written += text), clock, mode);
  for (const [atMs, text] of [
    [0, "a"],
    [1_999, "b"],
    [2_000, "c"],
    [2_500, "d"],
    [4_000, "e"],
  ] as const) {
    nowMs = atMs;
    progress.update(text);
  }
  progress.clear();
  progress.clear();
  return written;
}

test("a terminal's line is shown after two seconds, written over, and cleared once", () => {
  expect(write("line")).toBe("\r\u001b[2Kc\r\u001b[2Kd\r\u001b[2Ke\r\u001b[2K");
});

test("plain lines come at most every two seconds", () => {
  expect(write("lines")).toBe("c\ne\n");
});

test("nothing is written where nobody looks", () => {
  expect(write("none")).toBe("");
});
