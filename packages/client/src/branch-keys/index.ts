/** `@tenantkeys/client/branch-keys`: one branch key per tenant key, for very many calls. See docs/branch-keys.md. */
export type { BranchKeyLimits } from "./branch-key-caches.ts";
export { branchKeyEnvelope, createHierarchicalEnvelope, type HierarchicalSettings } from "./hierarchical-envelope.ts";
export {
  type BranchKey,
  type BranchKeyWork,
  createBranchKey,
  rewrapBranchKey,
  rotateBranchKey,
} from "./make-branch-keys.ts";
export type { BranchKeyTable } from "./records.ts";
