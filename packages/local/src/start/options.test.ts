import { describe, expect, test } from "vitest";
import { parseStartOptions, USAGE } from "./options.ts";

describe("npm start's options", () => {
  test("have defaults", () => {
    expect(parseStartOptions([])).toEqual({ tenants: undefined, matrixTenants: 25, keep: false, help: false });
  });

  test("are all read", () => {
    expect(parseStartOptions(["--tenants", "500", "--matrix=10", "--keep", "--help"])).toEqual({
      tenants: 500,
      matrixTenants: 10,
      keep: true,
      help: true,
    });
  });

  test.each([
    ["--tenants", 1, 10_000],
    ["--matrix", 2, 500],
  ])("%s takes whole numbers from %i to %i", (option, minimum, maximum) => {
    const value = (text: string) => {
      const { tenants, matrixTenants } = parseStartOptions([option, text]);
      return option === "--tenants" ? tenants : matrixTenants;
    };
    expect(value(String(minimum))).toBe(minimum);
    expect(value(String(maximum))).toBe(maximum);
    for (const text of [String(minimum - 1), String(maximum + 1), "2.5", "many", "", "NaN", "Infinity"]) {
      expect(() => value(text)).toThrow(`${option} ${text}: expected a whole number from ${minimum} to ${maximum}`);
    }
  });

  test.each([
    ["an unknown option", ["--tenant", "5"], "--tenant"],
    ["a word on its own", ["500"], "500"],
    ["a negative number, which reads like an option", ["--tenants", "-1"], "--tenants"],
    ["an option without its value", ["--tenants"], "--tenants"],
    ["a value where none belongs", ["--keep=yes"], "--keep"],
  ])("refuse %s, naming it", (_, args, words) => {
    expect(() => parseStartOptions(args)).toThrow(words);
  });

  test("are each explained in the help, with their limits", () => {
    for (const words of ["--tenants N", "1 to 10000", "--matrix N", "2 to 500, default 25", "--keep", "--help"]) {
      expect(USAGE).toContain(words);
    }
  });
});
