/** What IAM Access Analyzer is asked about a key policy: actions that no intended policy of the key grants to anybody. */
import type { DesiredTenantKey } from "../desired-state.ts";
import { CRYPTOGRAPHIC_ACTIONS } from "../key-actions.ts";
import type { PolicyDocument } from "../policy-document.ts";

/** Beside use: what changes a key, its names, its grants or its end. */
const CHANGING_ACTIONS = [
  "kms:DeleteAlias",
  "kms:DeleteImportedKeyMaterial",
  "kms:DisableKeyRotation",
  "kms:PutKeyPolicy",
  "kms:ReplicateKey",
  "kms:RetireGrant",
  "kms:RevokeGrant",
  "kms:ScheduleKeyDeletion",
  "kms:TagResource",
  "kms:UntagResource",
  "kms:UpdateAlias",
  "kms:UpdateKeyDescription",
  "kms:UpdatePrimaryRegion",
] as const;

type Policies = Pick<DesiredTenantKey, "creationPolicy" | "admittedPolicy" | "departingPolicy">;

/** In every form of the key's policy: at most as many as CheckAccessNotGranted takes in one question. */
export function ungrantedActions({ creationPolicy, admittedPolicy, departingPolicy }: Policies): readonly string[] {
  const granted = new Set([creationPolicy, admittedPolicy, departingPolicy].flatMap(grantedActions));
  return [...CRYPTOGRAPHIC_ACTIONS, ...CHANGING_ACTIONS].filter((action) => !granted.has(action)).sort();
}

function grantedActions({ Statement }: PolicyDocument): readonly string[] {
  return Statement.filter(({ Effect }) => Effect === "Allow").flatMap(({ Action }) => Action);
}
