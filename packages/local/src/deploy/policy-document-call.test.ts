import { describe, expect, test } from "vitest";
import { answerPolicyDocument } from "./policy-document-call.ts";

function documentOf(inputs: Readonly<Record<string, unknown>>): unknown {
  return JSON.parse(String(answerPolicyDocument(inputs).json));
}

describe("answerPolicyDocument", () => {
  test("writes every element of a statement, a list of one as plain text", () => {
    const document = documentOf({
      policyId: "keys",
      statements: [
        {
          sid: "Use",
          actions: ["kms:Encrypt", "kms:Decrypt"],
          resources: ["*"],
          principals: [
            { type: "AWS", identifiers: ["arn:aws:iam::111122223333:root"] },
            { type: "Service", identifiers: ["lambda.amazonaws.com", "events.amazonaws.com"] },
          ],
          conditions: [
            { test: "StringEquals", variable: "aws:PrincipalTag/tenant", values: ["&{aws:RequestTag/tenant}"] },
            { test: "StringEquals", variable: "kms:ViaService", values: ["s3", "sqs"] },
            { test: "ArnLike", variable: "aws:PrincipalArn", values: ["arn:a"] },
            { test: "ArnLike", variable: "aws:PrincipalArn", values: ["arn:b"] },
          ],
        },
        {
          effect: "Deny",
          notActions: ["kms:Describe*"],
          notResources: ["a", "b"],
          notPrincipals: [{ type: "AWS", identifiers: ["x"] }],
        },
      ],
    });
    expect(document).toEqual({
      Version: "2012-10-17",
      Id: "keys",
      Statement: [
        {
          Sid: "Use",
          Effect: "Allow",
          Action: ["kms:Encrypt", "kms:Decrypt"],
          Resource: "*",
          Principal: {
            AWS: "arn:aws:iam::111122223333:root",
            Service: ["lambda.amazonaws.com", "events.amazonaws.com"],
          },
          Condition: {
            StringEquals: {
              "aws:PrincipalTag/tenant": "$" + "{aws:RequestTag/tenant}",
              "kms:ViaService": ["s3", "sqs"],
            },
            ArnLike: { "aws:PrincipalArn": ["arn:a", "arn:b"] },
          },
        },
        { Effect: "Deny", NotAction: "kms:Describe*", NotResource: ["a", "b"], NotPrincipal: { AWS: "x" } },
      ],
    });
  });

  test("writes everyone as a star", () => {
    const statements = [{ actions: ["s3:GetObject"], principals: [{ type: "*", identifiers: ["*"] }] }];
    expect(documentOf({ statements })).toMatchObject({ Statement: [{ Principal: "*" }] });
  });

  test("joins several sources, own statements over theirs, overrides over all", () => {
    const source = (...sids: string[]) =>
      JSON.stringify({ Statement: sids.map((Sid) => ({ Sid, Effect: "Allow", Action: `source:${Sid}` })) });
    const document = documentOf({
      sourcePolicyDocuments: [source("A", "B"), source("C")],
      statements: [{ sid: "B", actions: ["own:B"] }],
      overridePolicyDocuments: [JSON.stringify({ Statement: { Sid: "C", Effect: "Deny", Action: "override:C" } })],
    });
    expect(document).toMatchObject({
      Statement: [
        { Sid: "A", Action: "source:A" },
        { Sid: "B", Action: "own:B" },
        { Sid: "C", Effect: "Deny", Action: "override:C" },
      ],
    });
  });

  test("gives no statements back as none, so that SST makes no empty policy", () => {
    expect(answerPolicyDocument({ statements: [] }).statements).toBeUndefined();
  });

  test.each([
    ["an input it doesn't know", { statement: [] }],
    ["a statement's element it doesn't know", { statements: [{ action: ["kms:Encrypt"] }] }],
    ["a Sid that two sources share", { sourcePolicyDocuments: Array(2).fill('{"Statement":[{"Sid":"A"}]}') }],
  ])("refuses %s", (_, inputs) => {
    expect(() => answerPolicyDocument(inputs)).toThrow(expect.objectContaining({ code: "input_unsupported" }));
  });
});
