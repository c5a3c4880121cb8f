/** Items of one query of the registry, page by page. */
import { QueryCommand, type QueryCommandInput } from "@aws-sdk/lib-dynamodb";
import { type TenantId, TenantKeysError } from "@tenantkeys/core";
import type { Clients } from "./clients.ts";
import { narrowAwsError } from "./narrow-error.ts";
import type { Run } from "./run.ts";

export interface QueryPage extends Omit<QueryCommandInput, "TableName" | "ExclusiveStartKey"> {
  readonly pagesMax: number;
  /** Whose items these are, for the error. */
  readonly tenantId?: TenantId | undefined;
}

/** @throws TenantKeysError `aws_unexpected` where there are more pages than `pagesMax` */
export async function* queryPages(
  clients: Pick<Clients, "documents">,
  run: Run,
  tableName: string,
  { pagesMax, tenantId, ...query }: QueryPage,
): AsyncGenerator<Record<string, unknown>, void, undefined> {
  const step = "dynamodb:Query";
  let startKey: Record<string, unknown> | undefined;
  for (let page = 0; page < pagesMax; page++) {
    const command = new QueryCommand({
      ...query,
      TableName: tableName,
      ...(startKey === undefined ? {} : { ExclusiveStartKey: startKey }),
    });
    const answer = await clients.documents.send(command, { abortSignal: run.signal }).catch((error) => {
      throw narrowAwsError(error, step);
    });
    yield* answer.Items ?? [];
    startKey = answer.LastEvaluatedKey;
    if (startKey === undefined) return;
  }
  const message = `${step}: more than ${pagesMax} pages${tenantId === undefined ? "" : " of one tenant"}`;
  throw new TenantKeysError("aws_unexpected", message, { tenantId, step });
}
