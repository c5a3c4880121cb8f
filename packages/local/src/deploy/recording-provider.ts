import { type AccountIdentity, type AccountLookups, answerCall } from "./account-calls.ts";
import type { ResourceProvider, ResourceRequest, ResourceResult } from "./resource-provider.ts";

/** How the ARN of a type is made; the types that have none, or whose ARN nothing asks for, are left out. */
const ARN_PATTERNS: Readonly<Record<string, string>> = {
  "aws:iam/role:Role": "arn:aws:iam::{account}:role{path}{name}",
  "aws:iam/policy:Policy": "arn:aws:iam::{account}:policy{path}{name}",
  "aws:dynamodb/table:Table": "arn:aws:dynamodb:{region}:{account}:table/{name}",
  "aws:sqs/queue:Queue": "arn:aws:sqs:{region}:{account}:{name}",
  "aws:cloudwatch/eventBus:EventBus": "arn:aws:events:{region}:{account}:event-bus/{name}",
  "aws:cloudwatch/eventRule:EventRule": "arn:aws:events:{region}:{account}:rule/{name}",
  "aws:cloudwatch/eventArchive:EventArchive": "arn:aws:events:{region}:{account}:archive/{name}",
  "aws:cloudwatch/logGroup:LogGroup": "arn:aws:logs:{region}:{account}:log-group:{name}",
  "aws:cloudwatch/metricAlarm:MetricAlarm": "arn:aws:cloudwatch:{region}:{account}:alarm:{name}",
  "aws:cloudwatch/compositeAlarm:CompositeAlarm": "arn:aws:cloudwatch:{region}:{account}:alarm:{name}",
  "aws:lambda/function:Function": "arn:aws:lambda:{region}:{account}:function:{name}",
  "aws:scheduler/schedule:Schedule": "arn:aws:scheduler:{region}:{account}:schedule/{group}/{name}",
  "aws:scheduler/scheduleGroup:ScheduleGroup": "arn:aws:scheduler:{region}:{account}:schedule-group/{name}",
  "aws:sns/topic:Topic": "arn:aws:sns:{region}:{account}:{name}",
  "aws:s3/bucket:Bucket": "arn:aws:s3:::{name}",
  "aws:kms/key:Key": "arn:aws:kms:{region}:{account}:key/{name}",
};

/** The types whose existence can be told: by what the program made so far and by the ARNs given. */
const KNOWN_TO_EXIST = ["aws:iam/role:Role", "aws:iam/policy:Policy", "aws:dynamodb/table:Table"];

/**
 * Makes nothing: gives every resource a plausible id, name and ARN, so that the program runs to its end.
 * @param existingArns The ARNs of roles, tables and managed policies that the program shall find in the account.
 */
export function recordingProvider(identity: AccountIdentity, existingArns: readonly string[]): ResourceProvider {
  const lookups = recordedLookups(existingArns);
  const made = new Map<string, ResourceResult>();
  const find = (type: string, id: string): ResourceResult | undefined => {
    const existing = existingArns.some((arn) => arn === id || arn.endsWith(`/${id}`));
    if (existing || !KNOWN_TO_EXIST.includes(type)) return { id, state: {} };
    return made.get(`${type} ${id}`);
  };
  return {
    async create(request) {
      const { type, importId } = request;
      if (importId !== undefined && find(type, importId) === undefined) throw missing(type, importId);
      const result = plausibleResult(request, identity);
      made.set(`${type} ${result.id}`, result);
      return result;
    },
    async read({ type, name, id, inputs }) {
      const known = find(type, id);
      if (known === undefined) throw missing(type, id);
      const plausible = plausibleResult({ type, name, inputs: { ...inputs, name: id } }, identity);
      return { id, state: { ...plausible.state, ...known.state } };
    },
    call: (token, inputs) => answerCall(token, inputs, identity, lookups),
  };
}

function missing(type: string, id: string): Error {
  return new Error(`there is no ${type} ${id} in the account: Pulumi can't refer to it or import it`);
}

function plausibleResult(request: ResourceRequest, identity: AccountIdentity): ResourceResult {
  const { type, inputs } = request;
  const name = String(inputs.name ?? inputs.alarmName ?? inputs.bucket ?? request.name);
  const arn = arnOf(request, name, identity);
  const url = `https://sqs.${identity.region}.amazonaws.com/${identity.accountId}/${name}`;
  const isQueue = type === "aws:sqs/queue:Queue";
  return {
    id: isQueue ? url : name,
    state: {
      name,
      ...(arn !== undefined && { arn }),
      ...(isQueue && { url }),
      ...(type === "aws:dynamodb/table:Table" && inputs.streamEnabled === true && { streamArn: `${arn}/stream/1` }),
      ...(type === "aws:lambda/function:Function" && { version: "$LATEST", qualifiedArn: `${arn}:$LATEST` }),
      ...(type === "aws:iam/role:Role" && { uniqueId: `AROA${name.toUpperCase()}` }),
      // The same in every run, so that two recordings can be compared.
      ...(type === "random:index/randomBytes:RandomBytes" && {
        base64: Buffer.alloc(Number(inputs.length)).toString("base64"),
        hex: Buffer.alloc(Number(inputs.length)).toString("hex"),
      }),
    },
  };
}

function arnOf({ type, inputs }: ResourceRequest, name: string, identity: AccountIdentity): string | undefined {
  return ARN_PATTERNS[type]
    ?.replace("{region}", identity.region)
    .replace("{account}", identity.accountId)
    .replace("{path}", String(inputs.path ?? "/"))
    .replace("{group}", String(inputs.groupName ?? "default"))
    .replace("{name}", name);
}

function recordedLookups(existingArns: readonly string[]): AccountLookups {
  const found = (kind: "role" | "policy") =>
    existingArns.flatMap((arn) => {
      const match = new RegExp(`^arn:aws:iam::[0-9]*:${kind}(?<path>/(?:.*/)?)(?<name>[^/]+)$`).exec(arn)?.groups;
      return match === undefined ? [] : [{ arn, path: match.path ?? "/", name: match.name ?? "" }];
    });
  return {
    roles: async (pathPrefix) =>
      found("role")
        .filter(({ path }) => path.startsWith(pathPrefix))
        .map((role) => ({ ...role, uniqueId: `AROA${role.name.toUpperCase()}` })),
    policies: async () => found("policy"),
    tables: async () =>
      existingArns.flatMap((arn) => /^arn:aws:dynamodb:[^:]*:[^:]*:table\/([^/]+)$/.exec(arn)?.[1] ?? []),
  };
}
