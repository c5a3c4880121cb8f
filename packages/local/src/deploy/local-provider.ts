import { randomBytes } from "node:crypto";
import type { AccountLookups } from "./account-calls.ts";
import { answerCall } from "./account-calls.ts";
import { DeployError } from "./deploy-error.ts";
import type { ClientConfig, ResourceContext, ResourceHandler, ResourceHandlers } from "./resource-context.ts";
import { createContext } from "./resource-context.ts";
import type { ResourceProvider, ResourceRequest, ResourceResult } from "./resource-provider.ts";

/** The services by the start of their Pulumi types; loaded when first met, since an SDK client costs some 50 ms. */
const SERVICES: readonly (readonly [prefix: string, load: () => Promise<{ readonly handlers: ResourceHandlers }>])[] = [
  ["aws:iam/", () => import("./resources/iam.ts")],
  ["aws:dynamodb/", () => import("./resources/dynamodb.ts")],
  ["aws:sqs/", () => import("./resources/sqs.ts")],
  ["aws:cloudwatch/event", () => import("./resources/eventbridge.ts")],
  ["aws:cloudwatch/log", () => import("./resources/logs.ts")],
  ["aws:cloudwatch/", () => import("./resources/cloudwatch.ts")],
  ["aws:lambda/", () => import("./resources/lambda.ts")],
  ["aws:s3/", () => import("./resources/s3.ts")],
  ["aws:scheduler/", () => import("./resources/scheduler.ts")],
  ["aws:sns/", () => import("./resources/sns.ts")],
];

/** Creates the program's resources on a live endpoint through the AWS SDK. */
export function localProvider(config: ClientConfig & { readonly accountId: string }): ResourceProvider {
  const context = createContext(config);
  return {
    async create(request) {
      if (request.type === "random:index/randomBytes:RandomBytes") return createRandomBytes(request);
      if (request.type.startsWith("pulumi:providers:")) return acceptProvider(request, context);
      const handler = await findHandler(request.type);
      // Pulumi's import of what isn't there fails; so it does here, before create() would make it.
      if (request.importId !== undefined) await readExisting(handler, request.type, request.importId, context);
      return handler.create(request, context);
    },
    async read(request) {
      return readExisting(await findHandler(request.type), request.type, request.id, context);
    },
    call: (token, inputs) => answerCall(token, inputs, context, liveLookups(context)),
  };
}

function readExisting(
  { read }: ResourceHandler,
  type: string,
  id: string,
  context: ResourceContext,
): Promise<ResourceResult> {
  if (read === undefined) throw unsupportedType(`${type} with the option "import", or its get()`);
  return read(id, context);
}

async function findHandler(type: string): Promise<ResourceHandler> {
  const service = SERVICES.find(([prefix]) => type.startsWith(prefix));
  const { handlers } = (await service?.[1]()) ?? { handlers: {} };
  const handler = handlers[type];
  if (handler === undefined) throw unsupportedType(type);
  return handler;
}

function unsupportedType(type: string): DeployError {
  return new DeployError(
    "resource_unsupported",
    `${type}: the local deploy can't make this type of resource. Add it to packages/local/src/deploy/resources/.`,
  );
}

function createRandomBytes({ name, inputs }: ResourceRequest): ResourceResult {
  const bytes = randomBytes(Number(inputs.length));
  return { id: name, state: { base64: bytes.toString("base64"), hex: bytes.toString("hex") } };
}

/** A provider of the stack's own is fine while it means this endpoint's Region and account. */
function acceptProvider({ name, inputs }: ResourceRequest, { region }: ResourceContext): ResourceResult {
  const wanted = inputs.region ?? region;
  if (wanted !== region) {
    throw new DeployError(
      "resource_unsupported",
      `The provider "${name}" is for ${String(wanted)}, but the local AWS is ${region}: deploy one Region at a time.`,
    );
  }
  return { id: name, state: {} };
}

function liveLookups(context: ResourceContext): AccountLookups {
  return {
    async roles(PathPrefix) {
      const { IAMClient, paginateListRoles } = await import("@aws-sdk/client-iam");
      const found = [];
      for await (const { Roles = [] } of paginateListRoles({ client: context.client(IAMClient) }, { PathPrefix })) {
        found.push(...Roles);
      }
      return found.map((role) => ({
        name: String(role.RoleName),
        arn: String(role.Arn),
        path: String(role.Path),
        uniqueId: String(role.RoleId),
        assumeRolePolicy: decodeURIComponent(role.AssumeRolePolicyDocument ?? ""),
      }));
    },
    async tables() {
      const { DynamoDBClient, paginateListTables } = await import("@aws-sdk/client-dynamodb");
      const names: string[] = [];
      for await (const { TableNames = [] } of paginateListTables({ client: context.client(DynamoDBClient) }, {})) {
        names.push(...TableNames);
      }
      return names;
    },
    async policies() {
      const { IAMClient, paginateListPolicies } = await import("@aws-sdk/client-iam");
      const found = [];
      for await (const { Policies = [] } of paginateListPolicies(
        { client: context.client(IAMClient) },
        { Scope: "Local" },
      )) {
        found.push(...Policies);
      }
      return found.map(({ PolicyName, Arn, Path }) => ({
        name: String(PolicyName),
        arn: String(Arn),
        path: String(Path),
      }));
    },
  };
}
