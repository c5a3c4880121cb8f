import { policiesOfStage } from "@tenantkeys/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CONTEXT, CREDENTIALS, FakeClock, runOn, SETTINGS } from "../test-support.ts";
import { createAccessAnalyzer } from "./access-analyzer.ts";
import { type StubAnswer, type StubRequest, type StubServer, startStubServer } from "./stub-server.test-support.ts";
import { validatePolicies } from "./validate-policies.ts";

const POLICIES = policiesOfStage(CONTEXT, SETTINGS);

let server: StubServer;
let answer: (request: StubRequest) => StubAnswer;
let client: NonNullable<ReturnType<typeof createAccessAnalyzer>>;

beforeEach(async () => {
  answer = () => ({ body: { findings: [] } });
  server = await startStubServer((request) => answer(request));
  const options = { region: "eu-west-1", endpoint: server.endpoint, credentials: CREDENTIALS };
  const made = createAccessAnalyzer(options, { accessAnalyzer: true });
  if (made === undefined) throw new Error("no client");
  client = made;
});

afterEach(async () => {
  client.destroy();
  await server.stop();
});

const validate = () => validatePolicies(client, runOn(new FakeClock()), POLICIES);

function issue(findingType: string, issueCode: string) {
  return { findingType, issueCode, findingDetails: "details", learnMoreLink: "https://example.com", locations: [] };
}

test("each policy is validated as what it is: a key's without a resource type, a trust policy with its own", async () => {
  expect(await validate()).toEqual([]);
  const bodies = server.requests.map(({ body }) => body as Readonly<Record<string, string>>);
  expect(bodies.map(({ policyType, validatePolicyResourceType }) => [policyType, validatePolicyResourceType])).toEqual([
    ["RESOURCE_POLICY", undefined],
    ["RESOURCE_POLICY", undefined],
    ["RESOURCE_POLICY", undefined],
    ["RESOURCE_POLICY", "AWS::IAM::AssumeRolePolicyDocument"],
    ["IDENTITY_POLICY", undefined],
    // Of a tenant of the canary's.
    ["RESOURCE_POLICY", "AWS::IAM::AssumeRolePolicyDocument"],
    ["IDENTITY_POLICY", undefined],
  ]);
  expect(bodies.map(({ policyDocument }) => policyDocument)).toEqual(
    POLICIES.map(({ document }) => JSON.stringify(document)),
  );
});

test("what is found is told with the policy's name and AWS's code, from every page", async () => {
  answer = ({ path, body }) => {
    if ((body as Readonly<Record<string, string>>).policyType !== "IDENTITY_POLICY") return { body: { findings: [] } };
    return path.includes("nextToken=more")
      ? { body: { findings: [issue("WARNING", "B")] } }
      : { body: { findings: [issue("ERROR", "A")], nextToken: "more" } };
  };
  expect((await validate()).map(({ policies, severity, code }) => [policies[0], severity, code])).toEqual([
    ["profile default: policy of the role", "error", "A"],
    ["profile default: policy of the role", "warning", "B"],
    ["permissions boundary of tenants' roles", "error", "A"],
    ["permissions boundary of tenants' roles", "warning", "B"],
  ]);
});

test("a kind of finding that isn't known counts as an error", async () => {
  answer = () => ({ body: { findings: [issue("NEW_KIND", "A")] } });
  expect((await validate()).map(({ severity }) => severity)).toEqual(POLICIES.map(() => "error"));
});

test("pages that never end are given up", async () => {
  answer = () => ({ body: { findings: [], nextToken: "more" } });
  await expect(validate()).rejects.toMatchObject({ code: "aws_unexpected" });
  expect(server.requests).toHaveLength(10);
});

test("a denial says which action was denied", async () => {
  answer = () => ({ error: "AccessDeniedException", status: 403, body: { message: "no" } });
  await expect(validate()).rejects.toMatchObject({
    code: "access_denied",
    details: { step: "access-analyzer:ValidatePolicy" },
  });
});
