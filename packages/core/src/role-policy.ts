/** What a tenant's role may do: use this key. Key ARNs are named, as Security Hub's KMS.1 and KMS.2 want it. */
import type { KeyArn } from "./ids.ts";
import { USE_ACTIONS } from "./key-actions.ts";
import { type PolicyDocument, policyDocument } from "./policy-document.ts";

export function tenantRolePolicy(keyArn: KeyArn): PolicyDocument {
  return policyDocument([{ Sid: "UseThisKey", Effect: "Allow", Action: [...USE_ACTIONS], Resource: keyArn }]);
}
