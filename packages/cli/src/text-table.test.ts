import { expect, test } from "vitest";
import { textTable } from "./text-table.ts";

test("columns are as wide as their widest cell, and an absent cell reads -", () => {
  const table = textTable(
    ["A", "BB"],
    [
      ["long", 1],
      [undefined, "x"],
    ],
  );
  expect(table).toBe("A     BB\nlong  1\n-     x\n");
});

test("a cell can't move the terminal's cursor", () => {
  expect(textTable(["A"], [["a\u001b[2Jb\r\nc\u009bd"]])).toBe("A\na [2Jb c d\n");
});
