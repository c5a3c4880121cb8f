import { expect, test } from "vitest";
import {
  ADMINISTER_ACTIONS,
  AUDIT_ACTIONS,
  administerActions,
  CRYPTOGRAPHIC_ACTIONS,
  DEPART_ACTIONS,
  DESCRIBE_ACTIONS,
  DISCARD_ACTIONS,
  EVERY_USE_ACTION,
  jobGrantOperations,
  RECOVER_ACTIONS,
  SERVICE_GRANT_ACTIONS,
  USE_ACTIONS,
  useActions,
} from "./key-actions.ts";
import type { KeyProfile } from "./key-profile.ts";
import { exampleProfile } from "./test-support.ts";

/** Actions that change a key, who may use it, or whether it lives: all that begin so in the KMS permissions reference. */
const CHANGES =
  /^kms:(Cancel|Connect|Create|Delete|Disable|Disconnect|Enable|Import|Put|Replicate|Retire|Revoke|Rotate|Schedule|Synchronize|Tag|Untag|Update)/;

/** One profile of each kind of key, and of each action profile. */
const PROFILES: readonly KeyProfile[] = [
  { actions: "full" as const },
  { actions: "encrypt-only" as const },
  { actions: "decrypt-only" as const },
  { keySpec: "HMAC_256" as const },
  { keySpec: "RSA_2048" as const },
  { keySpec: "ECC_NIST_P384" as const },
  { origin: "EXTERNAL" as const },
  { origin: "AWS_CLOUDHSM" as const, customKeyStoreId: "cks-1" },
  { replicaRegions: ["eu-central-1"] },
].map(exampleProfile);

const SETS = {
  ADMINISTER_ACTIONS,
  AUDIT_ACTIONS,
  DEPART_ACTIONS,
  DISCARD_ACTIONS,
  EVERY_USE_ACTION,
  RECOVER_ACTIONS,
  SERVICE_GRANT_ACTIONS,
  USE_ACTIONS,
  ...Object.fromEntries(PROFILES.map((profile, index) => [`use of profile ${index}`, useActions(profile)])),
  ...Object.fromEntries(
    PROFILES.map((profile, index) => [`administration of profile ${index}`, administerActions(profile)]),
  ),
};

const common = (a: readonly string[], b: readonly string[]) => a.filter((action) => b.includes(action));

test("who uses a key shares with who administers, deletes, audits or recovers it nothing but reading its description", () => {
  const administer = [...ADMINISTER_ACTIONS, ...DISCARD_ACTIONS, ...DEPART_ACTIONS];
  for (const others of [administer, AUDIT_ACTIONS, RECOVER_ACTIONS]) {
    expect(common(EVERY_USE_ACTION, others)).toEqual(["kms:DescribeKey"]);
  }
});

test.each([
  ["administer", ADMINISTER_ACTIONS],
  ["discard", DISCARD_ACTIONS],
  ["depart", DEPART_ACTIONS],
  ["audit", AUDIT_ACTIONS],
  ["recover", RECOVER_ACTIONS],
])("no cryptographic action is in %s", (_, actions) => {
  expect(common(actions, CRYPTOGRAPHIC_ACTIONS)).toEqual([]);
});

test("using a key changes nothing about it, and auditing neither changes nor uses it", () => {
  expect(EVERY_USE_ACTION.filter((action) => CHANGES.test(action))).toEqual([]);
  expect(AUDIT_ACTIONS.filter((action) => CHANGES.test(action))).toEqual([]);
  expect(AUDIT_ACTIONS.every((action) => /^kms:(Describe|Get|List)/.test(action))).toBe(true);
});

test("every action of use but the description is a cryptographic one, and none of them makes a grant", () => {
  const cryptographic: readonly string[] = CRYPTOGRAPHIC_ACTIONS;
  expect(EVERY_USE_ACTION.filter((action) => !cryptographic.includes(action))).toEqual([...DESCRIBE_ACTIONS]);
  expect(common(EVERY_USE_ACTION, SERVICE_GRANT_ACTIONS)).toEqual([]);
});

test("the use of every profile is within every use, and the administration within all of it", () => {
  for (const profile of PROFILES) {
    expect(useActions(profile)).toEqual(common(useActions(profile), EVERY_USE_ACTION));
    expect(administerActions(profile)).toEqual(common(administerActions(profile), ADMINISTER_ACTIONS));
  }
  expect([...new Set(PROFILES.flatMap(useActions))].sort()).toEqual(EVERY_USE_ACTION);
  expect([...new Set(PROFILES.flatMap(administerActions))].sort()).toEqual(ADMINISTER_ACTIONS);
});

test("who encrypts only can't decrypt, and who decrypts only can't encrypt", () => {
  const encrypting = useActions(exampleProfile({ actions: "encrypt-only" }));
  const decrypting = useActions(exampleProfile({ actions: "decrypt-only" }));
  expect(common(encrypting, decrypting)).toEqual(["kms:DescribeKey"]);
  expect(encrypting.filter((action) => /Decrypt|From/.test(action))).toEqual([]);
  expect(decrypting.filter((action) => /Encrypt$|Generate|To/.test(action))).toEqual([]);
  expect([...new Set([...encrypting, ...decrypting])].sort()).toEqual([...USE_ACTIONS]);
});

test("a key of another spec gives the actions of its kind", () => {
  expect(useActions(exampleProfile({ keySpec: "HMAC_512" }))).toEqual([
    "kms:DescribeKey",
    "kms:GenerateMac",
    "kms:VerifyMac",
  ]);
  for (const keySpec of ["RSA_4096", "ECC_SECG_P256K1"] as const) {
    expect(useActions(exampleProfile({ keySpec }))).toEqual([
      "kms:DescribeKey",
      "kms:GetPublicKey",
      "kms:Sign",
      "kms:Verify",
    ]);
  }
});

test("the provisioner gets what a key of the profile needs, and what it can't have it isn't given", () => {
  const plain = administerActions(exampleProfile({ keySpec: "HMAC_256" }));
  const beyond = (changes: Parameters<typeof exampleProfile>[0]) =>
    administerActions(exampleProfile(changes)).filter((action) => !plain.includes(action));
  const onDemand = ["kms:ListKeyRotations", "kms:RotateKeyOnDemand"];
  expect(beyond({})).toEqual(["kms:EnableKeyRotation", ...onDemand]);
  expect(plain).toContain("kms:UpdateAlias");
  expect(beyond({ keySpec: "RSA_2048" })).toEqual([]);
  expect(beyond({ origin: "AWS_CLOUDHSM", customKeyStoreId: "cks-1" })).toEqual([]);
  expect(beyond({ origin: "EXTERNAL_KEY_STORE", customKeyStoreId: "cks-1" })).toEqual([]);
  expect(beyond({ origin: "EXTERNAL" })).toEqual(["kms:GetParametersForImport", "kms:ImportKeyMaterial"]);
  expect(beyond({ replicaRegions: ["eu-central-1"] })).toEqual([
    "kms:EnableKeyRotation",
    "kms:ListKeyRotations",
    "kms:ReplicateKey",
    "kms:RotateKeyOnDemand",
  ]);
});

test("only discarding and departing delete a key, and nobody but recovery puts tags, or takes any off", () => {
  const deletes = (actions: readonly string[]) => actions.filter((action) => /Delet(?!eAlias)/.test(action));
  expect(deletes(DISCARD_ACTIONS)).toEqual(["kms:ScheduleKeyDeletion"]);
  expect(deletes(DEPART_ACTIONS)).toEqual(["kms:ScheduleKeyDeletion"]);
  expect(deletes([...EVERY_USE_ACTION, ...AUDIT_ACTIONS])).toEqual([]);
  for (const actions of [ADMINISTER_ACTIONS, RECOVER_ACTIONS])
    expect(deletes(actions)).toEqual(["kms:CancelKeyDeletion"]);
  const tagging = (actions: readonly string[]) => actions.filter((action) => /:(Unt|T)ag/.test(action));
  const { RECOVER_ACTIONS: recover, ...others } = SETS;
  expect(tagging(recover)).toEqual(["kms:TagResource"]);
  for (const actions of Object.values(others)) expect(tagging(actions)).toEqual([]);
});

test.each(Object.entries(SETS))("%s names single KMS actions, each once, in order", (_, actions) => {
  for (const action of actions) expect(action).toMatch(/^kms:[A-Z][A-Za-z]+$/);
  expect([...actions]).toEqual([...new Set(actions)].sort());
});

test("a job is lent no more than its tenant may do, and can't lend it on", () => {
  expect(PROFILES.map(jobGrantOperations).slice(0, 3)).toEqual([
    ["Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "RetireGrant"],
    ["DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "RetireGrant"],
    ["Decrypt", "DescribeKey", "RetireGrant"],
  ]);
  for (const profile of PROFILES) {
    const lent = jobGrantOperations(profile).filter((operation) => operation !== "RetireGrant");
    expect(lent.filter((operation) => !useActions(profile).includes(`kms:${operation}`))).toEqual([]);
  }
});
