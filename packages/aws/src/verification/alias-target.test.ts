import { parseKeyArn } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { awsError, type Call, CONTEXT, DESIRED, FakeClock, fakeClients, KEY_ARN, runOn } from "../test-support.ts";
import { readAliasTarget } from "./alias-target.ts";

const OTHER_KEY = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/2");
const ALIAS = DESIRED.aliasName;

/** KMS with these aliases, by key id; keys of these ids let nobody describe them. */
async function targetIn(aliases: Readonly<Record<string, string>>, change: { hidden?: string[]; deny?: string } = {}) {
  const asked: string[] = [];
  const clients = fakeClients(({ name, input: { KeyId } }: Call) => {
    asked.push(KeyId === undefined ? `${name} of all` : name);
    if (name === change.deny) throw awsError("AccessDeniedException", 400);
    if (name === "ListAliases") {
      const ofKey = Object.entries(aliases).filter(([, id]) => KeyId === undefined || KeyId.endsWith(`/${id}`));
      return { Aliases: ofKey.map(([AliasName, TargetKeyId]) => ({ AliasName, TargetKeyId })) };
    }
    const id = aliases[KeyId];
    if (id === undefined || change.hidden?.includes(id)) throw awsError("AccessDeniedException", 400);
    return { KeyMetadata: { Arn: `arn:aws:kms:eu-west-1:111122223333:key/${id}` } };
  });
  const reader = { run: runOn(new FakeClock()), quota: { takeTurn: async () => {} } };
  const { accountId, region } = CONTEXT;
  const target = await readAliasTarget(clients, reader, { aliasName: ALIAS, likely: KEY_ARN, accountId, region });
  return { target, asked };
}

describe("the target of an alias", () => {
  test("that leads where it should is one call", async () => {
    const { target, asked } = await targetIn({ [ALIAS]: "1" });
    expect(target).toEqual({ kind: "read", value: KEY_ARN });
    expect(asked).toEqual(["ListAliases"]);
  });

  test("that leads to another key that can be described is two", async () => {
    const { target, asked } = await targetIn({ [ALIAS]: "2" });
    expect(target).toEqual({ kind: "read", value: OTHER_KEY });
    expect(asked).toEqual(["ListAliases", "DescribeKey"]);
  });

  test("that leads to a key that hides is found in the whole list: KMS refuses it as it does an alias that isn't there", async () => {
    const { target, asked } = await targetIn({ [ALIAS]: "2" }, { hidden: ["2"] });
    expect(target).toEqual({ kind: "read", value: OTHER_KEY });
    expect(asked).toEqual(["ListAliases", "DescribeKey", "ListAliases of all"]);
  });

  test("that isn't there is no key", async () => {
    const { target } = await targetIn({ "alias/tenantkeys/dev/globex/default": "2" });
    expect(target).toEqual({ kind: "read", value: undefined });
  });

  test("is denied, not absent, to who may not list aliases", async () => {
    const { target } = await targetIn({ [ALIAS]: "1" }, { deny: "ListAliases" });
    expect(target).toMatchObject({ kind: "denied", operation: "kms:ListAliases" });
  });
});
