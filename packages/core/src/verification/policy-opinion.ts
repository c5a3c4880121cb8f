/** What follows from IAM Access Analyzer's opinion of a key's policy. It is a second one: containment is judged anyway. */
import type { KeyArn, KeyName, TenantId } from "../ids.ts";
import { finding } from "./finding.ts";
import type { Verdict } from "./verdict.ts";

/** What Access Analyzer said last of a policy; kept, so that it is asked again only when the question changes. */
export interface PolicyOpinion {
  /** Of the policy, and of what was asked. */
  readonly policyHash: string;
  /** Why it failed; none: it passed. */
  readonly objections: readonly string[];
}

/**
 * - `off`: the stage doesn't ask
 * - `denied` · `failed`: Access Analyzer isn't there, refuses, or can't judge this policy
 */
export type PolicyAnswer =
  | { readonly kind: "off" }
  | { readonly kind: "answered"; readonly opinion: PolicyOpinion }
  | { readonly kind: "denied" | "failed"; readonly operation: string; readonly reason: string };

export interface KeyOfPolicy {
  readonly tenantId: TenantId;
  readonly keyName: KeyName;
  readonly keyArn: KeyArn;
}

/** Where the stage stopped asking, what Access Analyzer found before is closed: nobody would ever close it otherwise. */
export function judgePolicyAnswer(
  { tenantId, keyName, keyArn }: KeyOfPolicy,
  answer: PolicyAnswer,
): Pick<Verdict, "findings" | "unjudged"> {
  switch (answer.kind) {
    case "off":
      return { findings: [], unjudged: [] };
    case "answered": {
      const { objections } = answer.opinion;
      if (objections.length === 0) return { findings: [], unjudged: [] };
      const expected = "a policy that is open to nobody outside and grants no more than intended";
      const seen = objections.join("; ");
      return {
        findings: [finding("public-access", { tenantId, keyName, resource: keyArn, expected, seen })],
        unjudged: [],
      };
    }
    case "denied":
    case "failed": {
      const expected = "an answer of IAM Access Analyzer";
      const about = { tenantId, keyName, resource: `the policy of ${keyArn}`, expected, seen: answer.reason };
      return { findings: [finding("could-not-verify", about, "medium")], unjudged: ["public-access"] };
    }
  }
}
