import { readFile } from "node:fs/promises";
import {
  AddPermissionCommand,
  type AddPermissionCommandInput,
  CreateEventSourceMappingCommand,
  type CreateEventSourceMappingCommandInput,
  CreateFunctionCommand,
  type CreateFunctionCommandInput,
  type DeadLetterConfig,
  DeleteFunctionConcurrencyCommand,
  type DestinationConfig,
  type Environment,
  type EphemeralStorage,
  type EventSourceMappingMetricsConfig,
  type Filter,
  type FilterCriteria,
  type FunctionConfiguration,
  GetFunctionConfigurationCommand,
  LambdaClient,
  ListEventSourceMappingsCommand,
  type LoggingConfig,
  type OnFailure,
  type OnSuccess,
  PutFunctionConcurrencyCommand,
  PutFunctionEventInvokeConfigCommand,
  type PutFunctionEventInvokeConfigCommandInput,
  RemovePermissionCommand,
  type ScalingConfig,
  TagResourceCommand,
  type TracingConfig,
  UpdateEventSourceMappingCommand,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";
import { createOrAdopt, type ResourceContext, type ResourceHandlers, waitUntilReady } from "../resource-context.ts";
import type { ResourceRequest, ResourceResult } from "../resource-provider.ts";
import {
  block,
  blocks,
  HANDLED,
  type InputRules,
  ignored,
  physicalName,
  REGION_IGNORED,
  requiredText,
  translateInputs,
} from "../translate-inputs.ts";

const ENVIRONMENT_RULES: InputRules<Environment> = { variables: "Variables" };
const STORAGE_RULES: InputRules<EphemeralStorage> = { size: "Size" };
const LOGGING_RULES: InputRules<LoggingConfig> = {
  logFormat: "LogFormat",
  logGroup: "LogGroup",
  applicationLogLevel: "ApplicationLogLevel",
  systemLogLevel: "SystemLogLevel",
};
const TRACING_RULES: InputRules<TracingConfig> = { mode: "Mode" };
const DEAD_LETTER_RULES: InputRules<DeadLetterConfig> = { targetArn: "TargetArn" };

const FUNCTION_RULES: InputRules<CreateFunctionCommandInput> = {
  name: HANDLED,
  region: REGION_IGNORED,
  role: "Role",
  runtime: "Runtime",
  handler: "Handler",
  description: "Description",
  timeout: "Timeout",
  memorySize: "MemorySize",
  architectures: "Architectures",
  packageType: "PackageType",
  layers: "Layers",
  kmsKeyArn: "KMSKeyArn",
  publish: "Publish",
  tags: "Tags",
  environment: block("Environment", ENVIRONMENT_RULES),
  ephemeralStorage: block("EphemeralStorage", STORAGE_RULES),
  loggingConfig: block("LoggingConfig", LOGGING_RULES),
  tracingConfig: block("TracingConfig", TRACING_RULES),
  deadLetterConfig: block("DeadLetterConfig", DEAD_LETTER_RULES),
  s3Bucket: HANDLED,
  s3Key: HANDLED,
  reservedConcurrentExecutions: HANDLED,
  sourceCodeHash: ignored("tells Pulumi when the code changed; here the code is always sent"),
  skipDestroy: ignored("only acts when the function is deleted"),
};

const FILTER_RULES: InputRules<Filter> = { pattern: "Pattern" };
const FILTER_CRITERIA_RULES: InputRules<FilterCriteria> = { filters: blocks("Filters", FILTER_RULES) };
const SCALING_RULES: InputRules<ScalingConfig> = { maximumConcurrency: "MaximumConcurrency" };
const METRICS_RULES: InputRules<EventSourceMappingMetricsConfig> = { metrics: "Metrics" };
const ON_FAILURE_RULES: InputRules<OnFailure> = { destinationArn: "Destination", destination: "Destination" };
const ON_SUCCESS_RULES: InputRules<OnSuccess> = { destination: "Destination" };
const DESTINATION_RULES: InputRules<DestinationConfig> = {
  onFailure: block("OnFailure", ON_FAILURE_RULES),
  onSuccess: block("OnSuccess", ON_SUCCESS_RULES),
};

const MAPPING_RULES: InputRules<CreateEventSourceMappingCommandInput> = {
  functionName: "FunctionName",
  region: REGION_IGNORED,
  eventSourceArn: "EventSourceArn",
  batchSize: "BatchSize",
  enabled: "Enabled",
  maximumBatchingWindowInSeconds: "MaximumBatchingWindowInSeconds",
  functionResponseTypes: "FunctionResponseTypes",
  filterCriteria: block("FilterCriteria", FILTER_CRITERIA_RULES),
  scalingConfig: block("ScalingConfig", SCALING_RULES),
  metricsConfig: block("MetricsConfig", METRICS_RULES),
  kmsKeyArn: "KMSKeyArn",
  tags: "Tags",
  destinationConfig: block("DestinationConfig", DESTINATION_RULES),
  // These four are for streams.
  startingPosition: "StartingPosition",
  bisectBatchOnFunctionError: "BisectBatchOnFunctionError",
  maximumRetryAttempts: "MaximumRetryAttempts",
  maximumRecordAgeInSeconds: "MaximumRecordAgeInSeconds",
  parallelizationFactor: "ParallelizationFactor",
};

const PERMISSION_RULES: InputRules<AddPermissionCommandInput> = {
  region: REGION_IGNORED,
  action: "Action",
  function: "FunctionName",
  principal: "Principal",
  principalOrgId: "PrincipalOrgID",
  sourceAccount: "SourceAccount",
  sourceArn: "SourceArn",
  eventSourceToken: "EventSourceToken",
  functionUrlAuthType: "FunctionUrlAuthType",
  invokedViaFunctionUrl: "InvokedViaFunctionUrl",
  qualifier: "Qualifier",
  statementId: "StatementId",
};

const INVOKE_CONFIG_RULES: InputRules<PutFunctionEventInvokeConfigCommandInput> = {
  functionName: "FunctionName",
  region: REGION_IGNORED,
  qualifier: "Qualifier",
  maximumEventAgeInSeconds: "MaximumEventAgeInSeconds",
  maximumRetryAttempts: "MaximumRetryAttempts",
  destinationConfig: block("DestinationConfig", DESTINATION_RULES),
};

async function createFunction(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const lambda = context.client(LambdaClient);
  const FunctionName = physicalName(request);
  const params = translateInputs(request, FUNCTION_RULES);
  const ZipFile = await codeArchive(request, context);
  await createOrAdopt(
    async () => {
      const Role = requiredText(request, "role");
      await lambda.send(new CreateFunctionCommand({ ...params, FunctionName, Role, Code: { ZipFile } }));
    },
    ["ResourceConflictException"],
    () => adoptFunction(lambda, FunctionName, params, ZipFile, context),
  );
  await waitUntilReady(`function ${FunctionName}`, () => isReady(lambda, FunctionName));
  await setReservedConcurrency(lambda, FunctionName, request);
  const configuration = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
  return functionResult(FunctionName, configuration, context);
}

/** The archive that SST uploaded: it stays on this disk, since Lambda takes one of up to 50 MB in the call itself. */
async function codeArchive(request: ResourceRequest, context: ResourceContext): Promise<Uint8Array> {
  const key = requiredText(request, "s3Key");
  const path = context.assets.get(key);
  if (path === undefined) throw new Error(`no code archive was uploaded as ${key}`);
  return readFile(path);
}

async function adoptFunction(
  lambda: LambdaClient,
  FunctionName: string,
  params: Partial<CreateFunctionCommandInput>,
  ZipFile: Uint8Array,
  context: ResourceContext,
): Promise<void> {
  const { Tags, Publish, PackageType: _fixed, Architectures, Code: _code, ...configuration } = params;
  await lambda.send(new UpdateFunctionCodeCommand({ FunctionName, ZipFile, Architectures, Publish }));
  await waitUntilReady(`function ${FunctionName}`, () => isReady(lambda, FunctionName));
  await lambda.send(new UpdateFunctionConfigurationCommand({ ...configuration, FunctionName }));
  if (Tags === undefined) return;
  const Resource = `arn:aws:lambda:${context.region}:${context.accountId}:function:${FunctionName}`;
  await lambda.send(new TagResourceCommand({ Resource, Tags }));
}

/** Lambda refuses a mapping and a second update while the last change is in progress. */
async function isReady(lambda: LambdaClient, FunctionName: string): Promise<boolean> {
  const { State, StateReason, LastUpdateStatus, LastUpdateStatusReason } = await lambda.send(
    new GetFunctionConfigurationCommand({ FunctionName }),
  );
  if (State === "Failed") throw new Error(`Lambda couldn't make the function: ${StateReason}`);
  if (LastUpdateStatus === "Failed") throw new Error(`Lambda couldn't update the function: ${LastUpdateStatusReason}`);
  return State !== "Pending" && LastUpdateStatus !== "InProgress";
}

async function setReservedConcurrency(
  lambda: LambdaClient,
  FunctionName: string,
  request: ResourceRequest,
): Promise<void> {
  const reserved = request.inputs.reservedConcurrentExecutions;
  if (reserved === undefined || reserved === null) return;
  const ReservedConcurrentExecutions = Number(reserved);
  // Pulumi's -1 means "not reserved"; 0 stops the function.
  if (ReservedConcurrentExecutions < 0) {
    await lambda.send(new DeleteFunctionConcurrencyCommand({ FunctionName }));
  } else {
    await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions }));
  }
}

function functionResult(name: string, configuration: FunctionConfiguration, context: ResourceContext): ResourceResult {
  const { FunctionArn: arn, Version: version, LastModified: lastModified, CodeSha256: codeSha256 } = configuration;
  const invocations = `arn:aws:apigateway:${context.region}:lambda:path/2015-03-31/functions`;
  return {
    id: name,
    state: {
      arn,
      name,
      version,
      lastModified,
      codeSha256,
      qualifiedArn: `${arn}:${version}`,
      invokeArn: `${invocations}/${arn}/invocations`,
      qualifiedInvokeArn: `${invocations}/${arn}:${version}/invocations`,
    },
  };
}

async function readFunction(id: string, context: ResourceContext): Promise<ResourceResult> {
  const lambda = context.client(LambdaClient);
  return functionResult(id, await lambda.send(new GetFunctionConfigurationCommand({ FunctionName: id })), context);
}

async function createMapping(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const lambda = context.client(LambdaClient);
  const params = translateInputs(request, MAPPING_RULES);
  const FunctionName = requiredText(request, "functionName");
  const { EventSourceArn, StartingPosition: _fixed, Tags: _tags, ...changeable } = params;
  // Looked for first: Lambda refuses a second mapping of the same two, the local one makes it.
  const known = await lambda.send(new ListEventSourceMappingsCommand({ FunctionName, EventSourceArn }));
  const [existing] = known.EventSourceMappings ?? [];
  const mapping =
    existing === undefined
      ? await lambda.send(new CreateEventSourceMappingCommand({ ...params, FunctionName }))
      : await lambda.send(new UpdateEventSourceMappingCommand({ ...changeable, UUID: existing.UUID }));
  if (mapping.UUID === undefined) throw new Error("Lambda gave no mapping back");
  const { UUID, EventSourceMappingArn: arn, FunctionArn: functionArn } = mapping;
  return { id: UUID, state: { uuid: UUID, arn, functionArn } };
}

async function addPermission(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const lambda = context.client(LambdaClient);
  const permission = {
    StatementId: request.name,
    ...translateInputs(request, PERMISSION_RULES),
    FunctionName: requiredText(request, "function"),
    Action: requiredText(request, "action"),
    Principal: requiredText(request, "principal"),
  };
  const add = async () => void (await lambda.send(new AddPermissionCommand(permission)));
  await createOrAdopt(add, ["ResourceConflictException"], async () => {
    const { FunctionName, StatementId, Qualifier } = permission;
    await lambda.send(new RemovePermissionCommand({ FunctionName, StatementId, Qualifier }));
    await add();
  });
  return { id: permission.StatementId, state: { statementId: permission.StatementId } };
}

async function putInvokeConfig(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const FunctionName = requiredText(request, "functionName");
  const params = translateInputs(request, INVOKE_CONFIG_RULES);
  await context.client(LambdaClient).send(new PutFunctionEventInvokeConfigCommand({ ...params, FunctionName }));
  return { id: FunctionName, state: {} };
}

export const handlers: ResourceHandlers = {
  "aws:lambda/function:Function": { create: createFunction, read: readFunction },
  "aws:lambda/eventSourceMapping:EventSourceMapping": { create: createMapping },
  "aws:lambda/permission:Permission": { create: addPermission },
  "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": { create: putInvokeConfig },
};
