/** KMS and STS in memory, as the policies of two tenants of the canary's have them, or as a test breaks them. Nothing that ships imports it. */
import type { KMSClient } from "@aws-sdk/client-kms";
import { CANARY_TENANTS, type CanaryName, parseKeyArn, type RoleArn, tenantPrincipalArn } from "@tenantkeys/core";
import type { SessionCredentials } from "../clients.ts";
import { awsError, CONTEXT } from "../test-support.ts";
import type { CanaryAws } from "./canary-aws.ts";

const resourcesOf = (name: CanaryName) => ({
  keyArn: parseKeyArn(`arn:aws:kms:eu-west-1:111122223333:key/${name}`),
  roleArn: tenantPrincipalArn(CONTEXT, CANARY_TENANTS[name]),
});
export const RESOURCES = { a: resourcesOf("a"), b: resourcesOf("b") };

/** One call: whose it is, its name such as `Decrypt`, and the key or role that it is about. */
export interface CanaryCall {
  readonly by: "canary" | CanaryName;
  readonly name: string;
  readonly about: CanaryName;
  readonly input: Readonly<Record<string, unknown>>;
}

const nameOf = (arn: string): CanaryName => (arn === RESOURCES.a.keyArn || arn === RESOURCES.a.roleArn ? "a" : "b");

/**
 * @param around given each call and AWS's own answer to it, which it may give, change or refuse
 * @returns it, and every call that came
 */
export function canaryAws(around: (call: CanaryCall, answer: () => object) => object = (_, answer) => answer()) {
  const calls: CanaryCall[] = [];
  const ofSession = new Map<SessionCredentials, CanaryName>();
  const callerOf = (as: SessionCredentials | undefined) =>
    as === undefined ? "canary" : (ofSession.get(as) as CanaryName);
  const answer = (call: CanaryCall): object => {
    calls.push(call);
    return around(call, () => {
      if (call.by !== call.about) throw awsError("AccessDeniedException", 400);
      if (call.input.DryRun === true) throw awsError("DryRunOperationException", 412);
      return call.name === "Encrypt"
        ? { CiphertextBlob: call.input.Plaintext }
        : { Plaintext: call.input.CiphertextBlob };
    });
  };
  const aws: CanaryAws = {
    kms: (as) => {
      const by = callerOf(as);
      const send = async (command: { readonly input: CanaryCall["input"] }) => {
        const name = command.constructor.name.replace(/Command$/, "");
        const { KeyId, SourceKeyId, DestinationKeyId } = command.input;
        const named = [KeyId, SourceKeyId, DestinationKeyId].filter((one) => typeof one === "string").map(nameOf);
        const about = named.find((one) => one !== by) ?? (named[0] as CanaryName);
        return answer({ by, name, about, input: command.input });
      };
      return { send, destroy: () => {} } as unknown as Pick<KMSClient, "send" | "destroy">;
    },
    async assume(as, _run, roleArn: RoleArn, tag) {
      const about = nameOf(roleArn);
      const call = { by: callerOf(as), name: "AssumeRole", about, input: { tag } } as const;
      calls.push(call);
      const session = { accessKeyId: about, secretAccessKey: "", sessionToken: "", expiration: new Date(0) };
      around(call, () => {
        if (call.by !== "canary" || tag !== CANARY_TENANTS[about]) throw awsError("AccessDenied", 403);
        return session;
      });
      ofSession.set(session, about);
      return session;
    },
  };
  return { aws, calls };
}
