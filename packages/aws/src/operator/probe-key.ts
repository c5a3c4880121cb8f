/**
 * Tries whether a tenant's key can be used, the way its application would get there: the application's role, then the
 * tenant's, tagged. With DryRun nothing is encrypted, signed or made: KMS says only whether it would.
 * https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html
 */
import {
  GenerateDataKeyWithoutPlaintextCommand,
  GenerateMacCommand,
  KMSClient,
  type MacAlgorithmSpec,
  SignCommand,
} from "@aws-sdk/client-kms";
import { type KeyArn, type KeyProfile, keyUsage, type RoleArn, type TenantId, TenantKeysError } from "@tenantkeys/core";
import { type ClientOptions, clientConfig } from "../clients.ts";
import { errorName, narrowAwsError } from "../narrow-error.ts";
import type { Run } from "../run.ts";
import { becomeTenant } from "./become-tenant.ts";
import { signingAlgorithm } from "./try-attempts.ts";

export interface ProbedKey {
  readonly tenantId: TenantId;
  readonly roleArn: RoleArn;
  readonly keyArn: KeyArn;
  readonly profile: Pick<KeyProfile, "keySpec" | "actions" | "strictEncryptionContext" | "viaServices">;
}

/** `usable`: KMS would have done it. Otherwise where it ended, and why. */
export type Probe =
  | { readonly kind: "usable"; readonly step: string }
  | { readonly kind: "unusable"; readonly error: TenantKeysError };

/** @throws TenantKeysError `state_conflict` where the profile allows nothing that can be tried this way */
export async function probeKey(
  options: ClientOptions,
  run: Run,
  probed: ProbedKey,
  applicationRoleArn: RoleArn,
): Promise<Probe> {
  const { step, send } = tryable(probed);
  try {
    const credentials = await becomeTenant(options, run, probed, applicationRoleArn);
    const kms = new KMSClient(clientConfig({ ...options, credentials }));
    try {
      await send(kms, { abortSignal: run.signal });
    } catch (error) {
      if (errorName(error) !== "DryRunOperationException") throw narrowAwsError(error, step);
    } finally {
      kms.destroy();
    }
    return { kind: "usable", step };
  } catch (error) {
    const { tenantId } = probed;
    return { kind: "unusable", error: narrowAwsError(error, step).within({ tenantId }) };
  }
}

interface Try {
  readonly step: string;
  send(kms: KMSClient, options: { readonly abortSignal: AbortSignal }): Promise<unknown>;
}

const MESSAGE = Buffer.from("probe");

function tryable({ tenantId, keyArn: KeyId, profile }: ProbedKey): Try {
  const usage = keyUsage(profile.keySpec);
  if (usage === "GENERATE_VERIFY_MAC") {
    const MacAlgorithm = profile.keySpec.replace("HMAC_", "HMAC_SHA_") as MacAlgorithmSpec;
    const command = new GenerateMacCommand({ KeyId, MacAlgorithm, Message: MESSAGE, DryRun: true });
    return { step: "kms:GenerateMac", send: (kms, options) => kms.send(command, options) };
  }
  if (usage === "SIGN_VERIFY") {
    const SigningAlgorithm = signingAlgorithm(profile.keySpec);
    const command = new SignCommand({ KeyId, SigningAlgorithm, Message: MESSAGE, MessageType: "RAW", DryRun: true });
    return { step: "kms:Sign", send: (kms, options) => kms.send(command, options) };
  }
  if (profile.actions === "decrypt-only" || profile.viaServices.length > 0) {
    const what = profile.actions === "decrypt-only" ? "decrypts only" : "is used through services only";
    const message = `a key that ${what} can't be tried without a ciphertext or a service`;
    throw new TenantKeysError("state_conflict", message, { tenantId, step: "probe" });
  }
  // The context is what a strict profile asks for; others don't mind.
  const EncryptionContext = { tenant: tenantId };
  const input = { KeyId, KeySpec: "AES_256", EncryptionContext, DryRun: true } as const;
  const command = new GenerateDataKeyWithoutPlaintextCommand(input);
  return { step: "kms:GenerateDataKeyWithoutPlaintext", send: (kms, options) => kms.send(command, options) };
}
