import type { STSClient } from "@aws-sdk/client-sts";
import { parseAccountId } from "@tenantkeys/core";
import { expect, it } from "vitest";
import { stageAccount } from "./stage-account.ts";
import { answering, awsError, errorOf } from "./test-support.ts";

it("is the one that was given, and nobody is asked", async () => {
  const { client, sent } = answering<STSClient>(() => ({}));
  expect(await stageAccount(client, parseAccountId("444455556666"))()).toBe("444455556666");
  expect(sent).toEqual([]);
});

it("is otherwise asked for once, however many want it, and again where that failed", async () => {
  const answers = [awsError("ThrottlingException"), { Account: "111122223333" }];
  const { client, sent } = answering<STSClient>(() => {
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  });
  const account = stageAccount(client, undefined);
  expect(await errorOf(account())).toMatchObject({ code: "throttled", details: { step: "sts:GetCallerIdentity" } });
  expect(await Promise.all([account(), account()])).toEqual(["111122223333", "111122223333"]);
  await account();
  expect(sent).toHaveLength(2);
});
