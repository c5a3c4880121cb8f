/**
 * What AWS would decide, in the opinion of an engine that isn't ours (@cloud-copilot/iam-simulate). The rest of this
 * workspace asks only through here. Its checked entry point drops `kms:EncryptionContext:…` from a request's context, so
 * conditions on it would never hold; the unchecked one is used instead, and what the other would check is done here:
 * documents are validated apart (`refusal`), and a request carries only the condition keys that AWS documents for it.
 */
import { createValidatedPolicy, type ValidatedPolicy, validateResourcePolicy } from "@cloud-copilot/iam-policy";
import { anonymousPrincipal, runUnsafeSimulation } from "@cloud-copilot/iam-simulate";

export type ConditionKeys = Readonly<Record<string, string | readonly string[]>>;

export interface Request {
  /** The ARN that calls, a service's name, or nobody. */
  readonly principal: string | undefined;
  readonly action: string;
  readonly resource: string;
  /** Whose resource it is. */
  readonly accountId: string;
  readonly context: ConditionKeys;
  readonly identityPolicies: readonly unknown[];
  readonly boundary?: unknown;
}

/** True where the request is allowed by this policy of the resource and the caller's own ones. */
export function isAllowed(resourcePolicy: unknown, request: Request): boolean {
  const { principal, action, resource, accountId, context, identityPolicies, boundary } = request;
  const decision: unknown = runUnsafeSimulation(
    {
      request: {
        principal: principal ?? anonymousPrincipal,
        action,
        resource: { resource, accountId },
        contextVariables: context as Record<string, string | string[]>,
      },
      identityPolicies: identityPolicies.map((policy, index) => ({ name: `identity-${index}`, policy })),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      resourcePolicy: named(resourcePolicy),
      ...(boundary === undefined ? {} : { permissionBoundaryPolicies: [{ name: "boundary", policy: boundary }] }),
    },
    {},
  );
  return decision === "Allowed";
}

/**
 * Why the engine takes the document for no policy of a resource; undefined where it is one. AWS refuses such a document
 * too (MalformedPolicyDocument), so it can't be in force.
 */
export function refusal(policy: unknown): string | undefined {
  try {
    const [error] = validateResourcePolicy(policy);
    return error?.message;
  } catch (error) {
    return `unreadable: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The engine's unchecked entry asks for the name of a resource's policy, which only a validated one can carry. */
function named(policy: unknown): ValidatedPolicy<{ name: string }> {
  return createValidatedPolicy(policy, () => [], { name: "resource" });
}
