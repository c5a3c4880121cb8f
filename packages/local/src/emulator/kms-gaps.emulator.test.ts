import {
  CreateCustomKeyStoreCommand,
  CreateKeyCommand,
  DescribeCustomKeyStoresCommand,
  GetKeyLastUsageCommand,
} from "@aws-sdk/client-kms";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "./emulator.ts";
import { assume, type Caller, callerWith, makeRole, outcome } from "./test-support.ts";

let emulator: Emulator;
let root: Caller;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

test("an operation that the local KMS lacks is refused with InvalidAction, after the permission check", async () => {
  const made = await root.kms.send(new CreateKeyCommand({}));
  const KeyId = made.KeyMetadata?.Arn as string;
  const may = await assume(
    emulator,
    root,
    await makeRole(root, "may", { allow: [{ Effect: "Allow", Action: "kms:*", Resource: "*" }] }),
  );
  const mayNot = await assume(emulator, root, await makeRole(root, "may-not"));
  const answers = ({ kms }: Caller) =>
    Promise.all([
      outcome(kms.send(new GetKeyLastUsageCommand({ KeyId }))),
      outcome(kms.send(new DescribeCustomKeyStoresCommand({}))),
      outcome(kms.send(new CreateCustomKeyStoreCommand({ CustomKeyStoreName: "store" }))),
    ]);
  expect(new Set(await answers(may))).toEqual(new Set(["InvalidAction"]));
  expect(new Set(await answers(mayNot))).toEqual(new Set(["AccessDeniedException"]));
});

test.each(["AWS_CLOUDHSM", "EXTERNAL_KEY_STORE", undefined] as const)(
  "a key in a custom key store, with the origin %s, finds no store",
  async (Origin) => {
    const create = new CreateKeyCommand({ Origin, CustomKeyStoreId: "cks-1234567890abcdef0" });
    expect(await outcome(root.kms.send(create))).toBe("CustomKeyStoreNotFoundException");
  },
);
