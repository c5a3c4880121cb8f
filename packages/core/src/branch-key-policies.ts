/**
 * Who may do what with a stage's table of branch keys. What it holds is encrypted with each tenant's own KMS key: who reads
 * it all can decrypt nothing of it. But who may write to it can destroy what every tenant encrypted with a branch key, by
 * putting something else in its place; so the application, which serves all tenants, only reads.
 */
import type { AccountId, Region, Stage } from "./ids.ts";
import { stageArns } from "./names.ts";
import { type PolicyDocument, policyDocument } from "./policy-document.ts";

/** For applications that encrypt and decrypt: no list, no scan. */
export function branchKeyReaderPolicy(accountId: AccountId, region: Region, stage: Stage): PolicyDocument {
  const { branchKeyTable } = stageArns(accountId, region, stage);
  return policyDocument([
    { Sid: "ReadBranchKeys", Effect: "Allow", Action: "dynamodb:GetItem", Resource: branchKeyTable },
  ]);
}

/** For who makes and rotates branch keys, which nobody may delete. Each write is conditional on what was there before. */
export function branchKeyMakerPolicy(accountId: AccountId, region: Region, stage: Stage): PolicyDocument {
  const { branchKeyTable } = stageArns(accountId, region, stage);
  return policyDocument([
    {
      Sid: "MakeBranchKeys",
      Effect: "Allow",
      Action: ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
      Resource: branchKeyTable,
    },
  ]);
}
