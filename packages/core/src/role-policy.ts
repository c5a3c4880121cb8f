/** What may be done with a key as identity policies say it. Key ARNs are named, as Security Hub's KMS.1 and KMS.2 want it. */
import type { KeyArn } from "./ids.ts";
import { useActions } from "./key-actions.ts";
import type { KeyProfile } from "./key-profile.ts";
import { type PolicyDocument, policyDocument } from "./policy-document.ts";

type Use = Pick<KeyProfile, "keySpec" | "actions">;

/**
 * What a tenant's role may do: use this key. Grants for services aren't in here: the key's own policy allows them.
 * @param keyArns the key, its replicas, and the keys that it replaced
 */
export function tenantRolePolicy(keyArns: readonly KeyArn[], profile: Use): PolicyDocument {
  return usePolicy("UseThisKey", keyArns, profile);
}

/** What an outside account has to attach to those of its roles that shall use the key: its administrators decide which. */
export function outsideAccountPolicy(keyArn: KeyArn, profile: Use): PolicyDocument {
  return usePolicy("UseKeyOfOtherAccount", [keyArn], profile);
}

function usePolicy(sid: string, keyArns: readonly KeyArn[], profile: Use): PolicyDocument {
  return policyDocument([{ Sid: sid, Effect: "Allow", Action: [...useActions(profile)], Resource: [...keyArns] }]);
}
