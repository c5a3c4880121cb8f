import type { ReEncryptReport } from "@tenantkeys/client/re-encrypt";
import { parseKeyArn, parseKeyName, parseRoleArn } from "@tenantkeys/core";
import { expect, test } from "vitest";
import type { ReEncryptObjects } from "./ports.ts";
import { fakeOperator, keyRecord, runCommand } from "./test-support.ts";

const arn = (id: string) => parseKeyArn(`arn:aws:kms:eu-west-1:111122223333:key/${id}`);
const roleArn = parseRoleArn("arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-acme");
const KEYS = [
  keyRecord({ keyArn: arn("new"), previousKeyArns: [arn("older"), arn("old")], roleArn }),
  keyRecord({ keyName: parseKeyName("documents"), keyArn: arn("documents"), roleArn }),
  keyRecord({ keyName: parseKeyName("frozen"), keyArn: arn("frozen"), roleArn, state: "suspended" }),
];
const REPORT: ReEncryptReport = {
  target: "s3://notes/acme/ to new",
  dryRun: false,
  seen: 3,
  moved: 2,
  skipped: 1,
  failed: 0,
  leftBehind: 0,
  failures: [],
  leftBehindIds: [],
  end: "complete",
};

function run(args: readonly string[], report: Partial<ReEncryptReport> = {}) {
  const runs: unknown[][] = [];
  const reEncryptObjects: ReEncryptObjects = async (_credentials, objects, settings) => {
    runs.push([objects, settings]);
    return { ...REPORT, ...report };
  };
  const operator = fakeOperator({ keysOfTenant: async () => KEYS });
  const place = ["--bucket", "notes", "--prefix", "acme/"];
  const ports = { reEncryptObjects: () => reEncryptObjects };
  return runCommand(["re-encrypt", "acme", ...place, ...args], operator, ports).then((said) => ({ ...said, runs }));
}

test("moves from the keys that the tenant's key replaced, and from those that are named", async () => {
  const { exitCode, runs, out } = await run(["--from-key", "documents", "--moves-max", "7"]);
  expect(exitCode).toBe(0);
  const [objects, settings] = runs[0] ?? [];
  expect(objects).toMatchObject({
    bucket: "notes",
    prefix: "acme/",
    to: { stage: "dev", tenantId: "acme", keyName: "default", decryptKeyArns: [arn("new"), arn("older"), arn("old")] },
    from: [arn("documents")],
  });
  expect(settings).toMatchObject({ movesMax: 7, cursor: undefined });
  expect(out).toBe("everything was looked at\nobjects  3 seen, 2 moved, 1 already there, 0 failed\n");
});

test("names what failed and what stays under the old key", async () => {
  const { exitCode, out } = await run([], {
    failed: 1,
    failures: [{ id: "acme/a", code: "access_denied", message: "s3:CopyObject: AccessDenied" }],
    leftBehind: 1_200,
    leftBehindIds: ["acme/b?versionId=1"],
  });
  expect(exitCode).toBe(2);
  expect(out.split("\n").slice(1)).toEqual([
    "objects  3 seen, 2 moved, 1 already there, 1 failed",
    "  acme/a: access_denied: s3:CopyObject: AccessDenied",
    "versions 1200 stay under the old key, which they need",
    "  acme/b?versionId=1",
    "  and 1199 more (the first 1,000 with --json)",
    "",
  ]);
});

test.each([
  ["refused", 1],
  ["retries-max", 1],
  ["failures-max", 1],
  ["moves-max", 3],
  ["aborted", 3],
] as const)("of a run that ended by %s the exit code is %i", async (end, code) => {
  const { exitCode, out } = await run([], { end });
  expect([exitCode, out.includes("run it again")]).toEqual([code, true]);
});

test("moves nothing to a key that isn't active", async () => {
  const { exitCode, err, runs } = await run(["--key-name", "frozen"]);
  expect([exitCode, runs.length]).toEqual([1, 0]);
  expect(err).toContain('key_not_active: key "frozen" of tenant acme is suspended');
});

test("needs a bucket and a prefix", async () => {
  const { exitCode, err } = await runCommand(["re-encrypt", "acme", "--bucket", "notes"]);
  expect([exitCode, err.includes("--prefix")]).toEqual([64, true]);
});
