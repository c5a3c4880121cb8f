import type { KeptEvent } from "@tenantkeys/aws";
import type { KeyRecord } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { keyTable, matrixTable, refusalTable } from "./report.ts";

const record = (change: object = {}) =>
  ({
    tenantId: "acme",
    keyName: "default",
    state: "active",
    keyArn: "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    aliasName: "alias/tenantkeys/local/acme/default",
    roleArn: "arn:aws:iam::111122223333:role/tenantkeys/local/tk-local-acme",
    activeAtMs: 3_450,
    ...change,
  }) as KeyRecord;

const kept = (change: object = {}) =>
  ({ tenantId: "acme", code: "event_invalid", message: "detail.tenantId: bad", ...change }) as KeptEvent;

/** Where a table's columns begin, taken from the line under its head. */
const columnStarts = (table: string) => [...(table.split("\n")[1] ?? "").matchAll(/-+/g)].map(({ index }) => index);

describe("the table of keys", () => {
  test("has a row per key: whose, which key, its alias, role and state, and after how long", () => {
    const [head, line, row, ...rest] = keyTable([record()], 1_000).split("\n");
    expect(head?.trim().split(/ {2,}/)).toEqual(["tenant", "key", "alias", "role", "state", "time"]);
    expect(line).toMatch(/^ {2}-+( {2}-+){5}$/);
    expect(row?.trim().split(/ {2,}/)).toEqual([
      "acme",
      "1234abcd",
      "alias/tenantkeys/local/acme/default",
      "tk-local-acme",
      "active",
      "2.5 s",
    ]);
    expect(rest).toEqual([]);
  });

  test("shows why a key failed, and a dash for what isn't there", () => {
    const failed = record({
      state: "failed",
      failure: { code: "role_taken" },
      keyArn: undefined,
      aliasName: undefined,
      roleArn: undefined,
      activeAtMs: undefined,
    });
    expect(keyTable([failed], 0).split("\n")[2]?.trim().split(/ {2,}/)).toEqual([
      "acme",
      "-",
      "-",
      "-",
      "failed (role_taken)",
      "-",
    ]);
  });

  test("is sorted by tenant and key name, and leaves the records as they were", () => {
    const records = [
      record({ tenantId: "b", aliasName: "b" }),
      record({ keyName: "payroll", aliasName: "a-payroll", tenantId: "a" }),
      record({ tenantId: "a", aliasName: "a-default" }),
    ];
    const order = [...records];
    const aliases = keyTable(records, 0)
      .split("\n")
      .slice(2)
      .map((row) => row.trim().split(/ {2,}/)[2]);
    expect(aliases).toEqual(["a-default", "a-payroll", "b"]);
    expect(records).toEqual(order);
  });

  test("makes its columns as wide as their widest value", () => {
    const wide = record({ tenantId: "t".repeat(36), aliasName: `alias/${"a".repeat(90)}` });
    const table = keyTable([record(), wide], 0);
    const [, , ...rows] = table.split("\n");
    const starts = columnStarts(table);
    for (const row of rows) {
      for (const start of starts) {
        expect(row.slice(start - 2, start)).toBe("  ");
        expect(row[start]).not.toBe(" ");
      }
    }
    expect(table).toContain(`alias/${"a".repeat(90)}`);
    expect(table.split("\n").every((line) => line === line.trimEnd())).toBe(true);
  });

  test("shows 60 rows and counts the rest", () => {
    const records = Array.from({ length: 500 }, (_, index) =>
      record({ tenantId: `t${String(index).padStart(3, "0")}` }),
    );
    const lines = keyTable(records, 0).split("\n");
    expect(lines).toHaveLength(2 + 60 + 1);
    expect(lines.at(-1)).toBe("  … and 440 more");
    expect(lines.at(-2)).toContain("t059");
    expect(keyTable(records.slice(0, 60), 0)).not.toContain("more");
  });

  test("without keys is its head", () => {
    expect(keyTable([], 0).split("\n")).toHaveLength(2);
  });
});

describe("the table of refusals", () => {
  test("is sorted by code, with 100 characters of each reason", () => {
    const events = [kept({ code: "event_too_large", message: "m".repeat(300), tenantId: undefined }), kept()];
    const [, , first, second] = refusalTable(events).split("\n");
    expect(first?.trim().split(/ {2,}/)).toEqual(["acme", "event_invalid", "detail.tenantId: bad"]);
    expect(second?.trim().split(/ {2,}/)).toEqual(["-", "event_too_large", "m".repeat(100)]);
  });
});

describe("the table of the matrix", () => {
  test("counts what worked and what was refused", () => {
    const parts = [{ name: "KMS Decrypt, roles as made", allowed: 25, refused: 600 }];
    expect(matrixTable({ parts, violations: [] }).split("\n")[2]?.trim().split(/ {2,}/)).toEqual([
      "KMS Decrypt, roles as made",
      "25",
      "600",
    ]);
  });
});
