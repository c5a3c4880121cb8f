/** Which account the stage is in: what is named by the registry is compared with it. */
import { GetCallerIdentityCommand, type STSClient } from "@aws-sdk/client-sts";
import { ACCOUNT_ID_PATTERN, type AccountId, TenantKeysError } from "@tenantkeys/core";
import { narrowAwsError } from "./aws-errors.ts";

/**
 * The account that was given, or that of the application's own credentials: STS is asked once, which needs no permission.
 * @returns asks once however many call it; a failure isn't kept
 */
export function stageAccount(sts: STSClient, given: AccountId | undefined): () => Promise<AccountId> {
  let asked: Promise<AccountId> | undefined = given === undefined ? undefined : Promise.resolve(given);
  return () => {
    asked ??= askAccount(sts).catch((error: unknown) => {
      asked = undefined;
      throw error;
    });
    return asked;
  };
}

async function askAccount(sts: STSClient): Promise<AccountId> {
  const step = "sts:GetCallerIdentity";
  const { Account: account } = await sts.send(new GetCallerIdentityCommand({})).catch((error: unknown) => {
    throw narrowAwsError(error, step);
  });
  if (account !== undefined && ACCOUNT_ID_PATTERN.test(account)) return account as AccountId;
  throw new TenantKeysError("aws_unexpected", `${step}: the answer holds no account`, { step });
}
