/** Whether KMS shows yet what an event says was done. */
import { DescribeKeyCommand, GetKeyPolicyCommand } from "@aws-sdk/client-kms";
import { type KeyState, type KmsEvent, policyShows, shownBy, stateShows } from "@tenantkeys/core";
import type { Run } from "../run.ts";
import type { GuardPorts } from "./guard-ports.ts";

type ShownPorts = Pick<GuardPorts, "observingIn" | "quota">;

/** True where nothing is to be waited for, and where KMS doesn't answer: verification then says why. */
export async function isShownYet(ports: ShownPorts, run: Run, event: KmsEvent): Promise<boolean> {
  const [KeyId] = event.keyArns;
  const what = shownBy(event);
  if (what === undefined || KeyId === undefined) return true;
  const { kms } = ports.observingIn(event.region);
  const options = { abortSignal: run.signal };
  await ports.quota.takeTurn(run, what === "state" ? "kms:DescribeKey" : "kms:GetKeyPolicy");
  try {
    if (what === "state") {
      const { KeyMetadata: metadata } = await kms.send(new DescribeKeyCommand({ KeyId }), options);
      return metadata?.KeyState === undefined || stateShows(event, metadata.KeyState as KeyState);
    }
    const { Policy: policy } = await kms.send(new GetKeyPolicyCommand({ KeyId, PolicyName: "default" }), options);
    return policy === undefined || policyShows(event, policy);
  } catch {
    return true;
  }
}
