import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  type KeySchemaElement,
  PutItemCommand,
  type TableDescription,
  TagResourceCommand,
  UpdateContinuousBackupsCommand,
  UpdateTableCommand,
  type UpdateTableCommandInput,
  UpdateTimeToLiveCommand,
} from "@aws-sdk/client-dynamodb";
import { createOrAdopt, type ResourceContext, type ResourceHandlers, waitUntilReady } from "../resource-context.ts";
import type { ResourceRequest, ResourceResult } from "../resource-provider.ts";
import {
  asList,
  asRecord,
  HANDLED,
  type InputRules,
  jsonText,
  physicalName,
  REGION_IGNORED,
  requiredText,
  tags,
  translateInputs,
  unsupportedInput,
} from "../translate-inputs.ts";

const TABLE_RULES: InputRules<CreateTableCommandInput> = {
  name: HANDLED,
  region: REGION_IGNORED,
  attributes: { to: "AttributeDefinitions", convert: attributeDefinitions },
  hashKey: HANDLED,
  rangeKey: HANDLED,
  billingMode: "BillingMode",
  readCapacity: HANDLED,
  writeCapacity: HANDLED,
  deletionProtectionEnabled: "DeletionProtectionEnabled",
  globalSecondaryIndexes: { to: "GlobalSecondaryIndexes", convert: secondaryIndexes },
  localSecondaryIndexes: { to: "LocalSecondaryIndexes", convert: secondaryIndexes },
  pointInTimeRecovery: HANDLED,
  serverSideEncryption: { to: "SSESpecification", convert: encryption },
  streamEnabled: HANDLED,
  streamViewType: HANDLED,
  tableClass: "TableClass",
  tags: tags("Tags"),
  ttl: HANDLED,
};

/** Pulumi's default, in which AWS wants capacities; SST asks for PAY_PER_REQUEST. */
const PROVISIONED = "PROVISIONED";

function attributeDefinitions(value: unknown, path: string): unknown {
  return asList(value, path).map((item) => {
    const { name, type, ...others } = asRecord(item, path);
    refuseOthers(others, path);
    return { AttributeName: name, AttributeType: type };
  });
}

function secondaryIndexes(value: unknown, path: string): unknown {
  return asList(value, path).map((item) => {
    const { name, hashKey, rangeKey, projectionType, nonKeyAttributes, ...others } = asRecord(item, path);
    refuseOthers(others, path);
    return {
      IndexName: name,
      // A local index shares the table's partition key, so its block names only the sort key.
      KeySchema: keySchema(hashKey, rangeKey),
      Projection: {
        ProjectionType: projectionType,
        ...(nonKeyAttributes !== undefined && { NonKeyAttributes: nonKeyAttributes }),
      },
    };
  });
}

function encryption(value: unknown, path: string): unknown {
  const { enabled, kmsKeyArn, ...others } = asRecord(value, path);
  refuseOthers(others, path);
  return { Enabled: enabled, ...(kmsKeyArn !== undefined && { SSEType: "KMS", KMSMasterKeyId: kmsKeyArn }) };
}

function refuseOthers(others: Readonly<Record<string, unknown>>, path: string): void {
  const unknown = Object.entries(others).find(([, value]) => value !== undefined && value !== null);
  if (unknown !== undefined) throw unsupportedInput(`${path}.${unknown[0]}`, unknown[1]);
}

function keySchema(hashKey: unknown, rangeKey: unknown): KeySchemaElement[] {
  return [
    ...(typeof hashKey === "string" ? [{ AttributeName: hashKey, KeyType: "HASH" as const }] : []),
    ...(typeof rangeKey === "string" ? [{ AttributeName: rangeKey, KeyType: "RANGE" as const }] : []),
  ];
}

async function createTable(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const dynamodb = context.client(DynamoDBClient);
  const TableName = physicalName(request);
  const params = tableParams(request, TableName);
  await createOrAdopt(
    async () => void (await dynamodb.send(new CreateTableCommand(params))),
    ["ResourceInUseException"],
    () => adoptTable(dynamodb, params),
  );
  await waitUntilReady(
    `table ${TableName}`,
    async () => (await describe(dynamodb, TableName)).TableStatus === "ACTIVE",
  );
  await setRecovery(dynamodb, TableName, request);
  await setTimeToLive(dynamodb, TableName, request);
  const table = await describe(dynamodb, TableName);
  const { TableArn: arn, LatestStreamArn: streamArn, LatestStreamLabel: streamLabel } = table;
  return { id: TableName, state: { arn, name: TableName, streamArn, streamLabel } };
}

function tableParams(request: ResourceRequest, TableName: string): CreateTableCommandInput {
  const { hashKey, rangeKey, streamEnabled, streamViewType, billingMode, readCapacity, writeCapacity } = request.inputs;
  const provisioned = (billingMode ?? PROVISIONED) === PROVISIONED;
  return {
    ...translateInputs(request, TABLE_RULES),
    TableName,
    KeySchema: keySchema(hashKey, rangeKey),
    ...(provisioned && {
      ProvisionedThroughput: { ReadCapacityUnits: Number(readCapacity), WriteCapacityUnits: Number(writeCapacity) },
    }),
    ...(streamEnabled === true && {
      StreamSpecification: { StreamEnabled: true, StreamViewType: streamViewType as "NEW_IMAGE" },
    }),
  };
}

/** A retained table keeps its items; what may be changed is set as the program says, its keys must be the same. */
async function adoptTable(dynamodb: DynamoDBClient, params: CreateTableCommandInput): Promise<void> {
  const TableName = String(params.TableName);
  const table = await describe(dynamodb, TableName);
  const keys = (schema: readonly KeySchemaElement[] = []) =>
    schema.map(({ AttributeName, KeyType }) => `${AttributeName} ${KeyType}`).join(", ");
  if (keys(table.KeySchema) !== keys(params.KeySchema)) {
    throw new Error(`a table of this name has the keys ${keys(table.KeySchema)}, not ${keys(params.KeySchema)}`);
  }
  const indexes = (list: readonly { IndexName?: string | undefined }[] = []) =>
    list
      .map(({ IndexName }) => IndexName)
      .sort()
      .join(", ");
  if (indexes(table.GlobalSecondaryIndexes) !== indexes(params.GlobalSecondaryIndexes)) {
    throw new Error(`a table of this name has other indexes: ${indexes(table.GlobalSecondaryIndexes) || "none"}`);
  }
  // DynamoDB takes a change of streams only by itself and refuses one that changes nothing.
  const changes: Omit<UpdateTableCommandInput, "TableName">[] = [];
  const protection = params.DeletionProtectionEnabled ?? false;
  if (protection !== (table.DeletionProtectionEnabled ?? false))
    changes.push({ DeletionProtectionEnabled: protection });
  const streams = params.StreamSpecification?.StreamEnabled ?? false;
  if (streams !== (table.StreamSpecification?.StreamEnabled ?? false)) {
    changes.push({ StreamSpecification: params.StreamSpecification ?? { StreamEnabled: false } });
  }
  if (params.SSESpecification?.KMSMasterKeyId !== table.SSEDescription?.KMSMasterKeyArn) {
    changes.push({ SSESpecification: params.SSESpecification ?? { Enabled: false } });
  }
  for (const change of changes) await dynamodb.send(new UpdateTableCommand({ TableName, ...change }));
  if (params.Tags !== undefined) {
    await dynamodb.send(new TagResourceCommand({ ResourceArn: table.TableArn, Tags: params.Tags }));
  }
}

async function setRecovery(dynamodb: DynamoDBClient, TableName: string, request: ResourceRequest): Promise<void> {
  const recovery = request.inputs.pointInTimeRecovery;
  if (recovery === undefined) return;
  const path = `${request.type} ${request.name}.pointInTimeRecovery`;
  const { enabled, recoveryPeriodInDays, ...others } = asRecord(recovery, path);
  refuseOthers(others, path);
  await dynamodb.send(
    new UpdateContinuousBackupsCommand({
      TableName,
      PointInTimeRecoverySpecification: {
        PointInTimeRecoveryEnabled: enabled === true,
        ...(recoveryPeriodInDays !== undefined && { RecoveryPeriodInDays: Number(recoveryPeriodInDays) }),
      },
    }),
  );
}

async function setTimeToLive(dynamodb: DynamoDBClient, TableName: string, request: ResourceRequest): Promise<void> {
  const ttl = request.inputs.ttl;
  if (ttl === undefined) return;
  const path = `${request.type} ${request.name}.ttl`;
  const { attributeName, enabled = true, ...others } = asRecord(ttl, path);
  refuseOthers(others, path);
  const { TimeToLiveDescription } = await dynamodb.send(new DescribeTimeToLiveCommand({ TableName }));
  const status = TimeToLiveDescription?.TimeToLiveStatus ?? "DISABLED";
  // Setting what is set already is a ValidationException.
  if (status.startsWith("ENABL") === enabled) return;
  await dynamodb.send(
    new UpdateTimeToLiveCommand({
      TableName,
      TimeToLiveSpecification: { AttributeName: String(attributeName), Enabled: enabled === true },
    }),
  );
}

async function describe(dynamodb: DynamoDBClient, TableName: string): Promise<TableDescription> {
  const { Table } = await dynamodb.send(new DescribeTableCommand({ TableName }));
  if (Table === undefined) throw new Error(`DynamoDB gave no description of the table ${TableName}`);
  return Table;
}

async function readTable(id: string, context: ResourceContext): Promise<ResourceResult> {
  const table = await describe(context.client(DynamoDBClient), id);
  return { id, state: { arn: table.TableArn, name: id, streamArn: table.LatestStreamArn } };
}

/** An item of the stack's own. It replaces the one of an earlier deployment. */
async function putItem(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  translateInputs(request, {
    tableName: HANDLED,
    hashKey: HANDLED,
    rangeKey: HANDLED,
    item: HANDLED,
    region: REGION_IGNORED,
  });
  const TableName = requiredText(request, "tableName");
  const Item = JSON.parse(jsonText(request.inputs.item));
  await context.client(DynamoDBClient).send(new PutItemCommand({ TableName, Item }));
  const { hashKey, rangeKey } = request.inputs;
  return { id: [TableName, hashKey, rangeKey].filter((part) => part !== undefined).join("|"), state: {} };
}

export const handlers: ResourceHandlers = {
  "aws:dynamodb/tableItem:TableItem": { create: putItem },
  "aws:dynamodb/table:Table": { create: createTable, read: readTable },
};
