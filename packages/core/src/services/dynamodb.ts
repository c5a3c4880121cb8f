/** A policy for tenants' items in one DynamoDB table: docs/aws-services.md says when a table per tenant is the better one. */
import { TenantKeysError } from "../errors.ts";
import { type PolicyDocument, policyDocument } from "../policy-document.ts";
import { TENANT_VARIABLE } from "./policy-parts.ts";

/** Where tenants' items are, and what the partition keys of a tenant's items are. */
export interface TenantItems {
  /** Indexes are reached by their own ARNs: `{tableArn}/index/…`, whose partition key must be the tenant's as well. */
  readonly tableArns: readonly string[];
  /** Before the tenant's id: `TENANT#`. Default: nothing. */
  readonly partitionKeyPrefix?: string | undefined;
  /** Default: exactly the id. `#`: also everything that begins with the id and a `#`. */
  readonly partitionKeySeparator?: string | undefined;
  /** Single actions that name items by their partition key. Default: those of the setting `tenantDataActions`. */
  readonly actions?: readonly string[] | undefined;
}

/** All that name a partition key. Not Scan, nor PartiQL's ExecuteStatement without one: no leading key, nothing to compare. */
const ITEM_ACTIONS = [
  "dynamodb:BatchGetItem",
  "dynamodb:BatchWriteItem",
  "dynamodb:ConditionCheckItem",
  "dynamodb:DeleteItem",
  "dynamodb:GetItem",
  "dynamodb:PutItem",
  "dynamodb:Query",
  "dynamodb:UpdateItem",
];
const DEFAULT_ACTIONS = [
  "dynamodb:DeleteItem",
  "dynamodb:GetItem",
  "dynamodb:PutItem",
  "dynamodb:Query",
  "dynamodb:UpdateItem",
];
const TABLE_PATTERN = /^arn:aws:dynamodb:[a-z0-9-]+:\d{12}:table\/[\w.-]{3,255}(\/index\/[\w.-]{3,255})?$/;
/** No wildcard and no variable. A separator can't be in a tenant's id: else one tenant's keys could begin as another's do. */
const PREFIX_PATTERN = /^[\w#:/.|-]{0,64}$/;
const SEPARATOR_PATTERN = /^[#:/.|_]$/;

/**
 * A policy of the role that tenants share, or of every tenant's own role alike: a session reaches the items whose partition
 * key is that of its tag's tenant. It says nothing of encryption: a table has one key, so what only the tenant may read is
 * encrypted before it is put, with `tenantKey.encrypt`.
 *
 * `ForAllValues` also holds where a request names no partition key at all, so that there is one is asked for as well.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
 * @throws TenantKeysError `identifier_invalid`
 */
export function taggedItemsPolicy(items: TenantItems): PolicyDocument {
  const { tableArns, partitionKeyPrefix = "", partitionKeySeparator: separator, actions = DEFAULT_ACTIONS } = items;
  refuse(
    tableArns.length === 0 || !tableArns.every((arn) => TABLE_PATTERN.test(arn)),
    "tableArns",
    "ARNs of tables or indexes",
  );
  refuse(!PREFIX_PATTERN.test(partitionKeyPrefix), "partitionKeyPrefix", "at most 64 characters, no wildcard");
  refuse(separator !== undefined && !SEPARATOR_PATTERN.test(separator), "partitionKeySeparator", "one of # : / . | _");
  const named = actions.length > 0 && actions.every((action) => ITEM_ACTIONS.includes(action));
  refuse(!named, "actions", `some of ${ITEM_ACTIONS.join(", ")}`);
  const own = `${partitionKeyPrefix}${TENANT_VARIABLE}`;
  const keys = separator === undefined ? own : [own, `${own}${separator}*`];
  return policyDocument([
    {
      Sid: "ReachOwnItems",
      Effect: "Allow",
      Action: [...actions],
      Resource: [...tableArns],
      Condition: {
        [separator === undefined ? "ForAllValues:StringEquals" : "ForAllValues:StringLike"]: {
          "dynamodb:LeadingKeys": keys,
        },
        Null: { "dynamodb:LeadingKeys": "false" },
      },
    },
  ]);
}

function refuse(isWrong: boolean, field: string, expected: string): void {
  if (isWrong)
    throw new TenantKeysError("identifier_invalid", `${field} is not valid: expected ${expected}`, { field });
}
