import {
  CreateKeyCommand,
  DisableKeyCommand,
  EnableKeyRotationCommand,
  GetKeyRotationStatusCommand,
  ListKeyRotationsCommand,
  RotateKeyOnDemandCommand,
} from "@aws-sdk/client-kms";
import { afterAll, beforeAll, expect, test } from "vitest";
import { advanceClock } from "./clock.ts";
import { type Emulator, startEmulator } from "./emulator.ts";
import { assume, type Caller, callerWith, makeRole, outcome } from "./test-support.ts";

const DAY_MS = 86_400_000;

let emulator: Emulator;
let root: Caller;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

async function newKey(input: ConstructorParameters<typeof CreateKeyCommand>[0] = {}): Promise<string> {
  return (await root.kms.send(new CreateKeyCommand(input))).KeyMetadata?.Arn as string;
}

async function rotationsOf(KeyId: string) {
  return (await root.kms.send(new ListKeyRotationsCommand({ KeyId }))).Rotations;
}

test("a rotation on request is listed; the twenty-sixth is one too many", async () => {
  const KeyId = await newKey();
  expect(await rotationsOf(KeyId)).toEqual([]);
  for (let done = 0; done < 25; done++) await root.kms.send(new RotateKeyOnDemandCommand({ KeyId }));
  expect(await outcome(root.kms.send(new RotateKeyOnDemandCommand({ KeyId })))).toBe("LimitExceededException");
  expect(await rotationsOf(KeyId)).toHaveLength(25);
  expect((await rotationsOf(KeyId))?.[0]).toMatchObject({ RotationType: "ON_DEMAND", RotationDate: expect.any(Date) });
});

test("the list comes in pages", async () => {
  const KeyId = await newKey();
  for (let done = 0; done < 3; done++) await root.kms.send(new RotateKeyOnDemandCommand({ KeyId }));
  const first = await root.kms.send(new ListKeyRotationsCommand({ KeyId, Limit: 2 }));
  expect([first.Rotations?.length, first.Truncated]).toEqual([2, true]);
  const next = await root.kms.send(new ListKeyRotationsCommand({ KeyId, Marker: first.NextMarker }));
  expect([next.Rotations?.length, next.Truncated]).toEqual([1, false]);
});

test("only an enabled symmetric key with KMS's own material is rotated on request", async () => {
  const disabled = await newKey();
  await root.kms.send(new DisableKeyCommand({ KeyId: disabled }));
  const keys = [
    disabled,
    await newKey({ Origin: "EXTERNAL" }),
    await newKey({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" }),
  ];
  const answers = keys.map((KeyId) => outcome(root.kms.send(new RotateKeyOnDemandCommand({ KeyId }))));
  expect(await Promise.all(answers)).toEqual([
    "DisabledException",
    "UnsupportedOperationException",
    "UnsupportedOperationException",
  ]);
});

test("both want their permissions", async () => {
  const KeyId = await newKey();
  const stranger = await assume(emulator, root, await makeRole(root, "may-not"));
  expect(await outcome(stranger.kms.send(new ListKeyRotationsCommand({ KeyId })))).toBe("AccessDeniedException");
  expect(await outcome(stranger.kms.send(new RotateKeyOnDemandCommand({ KeyId })))).toBe("AccessDeniedException");
});

test("each period that passes leaves an automatic rotation behind, and the next date a period later", async () => {
  const KeyId = await newKey();
  await root.kms.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 100 }));
  const startMs = Date.now();
  await advanceClock(emulator.endpoint, 250 * DAY_MS);
  const rotations = await rotationsOf(KeyId);
  expect(rotations?.map(({ RotationType }) => RotationType)).toEqual(["AUTOMATIC", "AUTOMATIC"]);
  const days = rotations?.map(({ RotationDate }) => Math.round(((RotationDate as Date).getTime() - startMs) / DAY_MS));
  expect(days).toEqual([100, 200]);
  const { NextRotationDate } = await root.kms.send(new GetKeyRotationStatusCommand({ KeyId }));
  expect(Math.round(((NextRotationDate as Date).getTime() - startMs) / DAY_MS)).toBe(300);
});
