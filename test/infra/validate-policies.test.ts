import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type StubAnswer,
  type StubServer,
  startStubServer,
} from "../../packages/aws/src/verification/stub-server.test-support.ts";
import { recordStage, type StageChange } from "./recorded-stage.ts";

let server: StubServer;
let answer: StubAnswer;

/** The stacks ask in a process of their own, which finds Access Analyzer as every AWS tool does: by the environment. */
beforeEach(async () => {
  answer = { body: { findings: [] } };
  server = await startStubServer(() => answer);
});

afterEach(() => server.stop());

function recorded(settings: StageChange["settings"]) {
  return recordStage({ settings: settings ?? {}, env: { AWS_ENDPOINT_URL: server.endpoint } });
}

const issue = (findingType: string) => ({
  body: {
    findings: [{ findingType, issueCode: "SOME_CODE", findingDetails: "x", learnMoreLink: "y", locations: [] }],
  },
});

test("a deployment has the policies of every profile validated where the stage says so", async () => {
  answer = issue("WARNING");
  const stage = await recorded({ accessAnalyzer: true, profiles: { default: {}, hmac: { keySpec: "HMAC_256" } } });
  expect(stage.resources.length).toBeGreaterThan(0);
  const documents = server.requests.map(({ body }) => (body as { policyDocument: string }).policyDocument);
  expect(documents.filter((document) => document.includes("kms:GenerateMac")).length).toBeGreaterThan(0);
});

test("an error in one of them stops the deployment before anything is declared", async () => {
  answer = issue("ERROR");
  await expect(recorded({ accessAnalyzer: true })).rejects.toThrow(/SOME_CODE/);
});

test("an Access Analyzer that refuses stops nothing", async () => {
  answer = { error: "AccessDeniedException", status: 403, body: { message: "no" } };
  expect((await recorded({ accessAnalyzer: true })).resources.length).toBeGreaterThan(0);
  expect(server.requests).toHaveLength(1);
});

test("a stage that doesn't say so asks nobody", async () => {
  await recorded({});
  expect(server.requests).toEqual([]);
});
