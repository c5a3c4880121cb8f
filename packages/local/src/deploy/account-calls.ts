import { DeployError } from "./deploy-error.ts";
import { answerPolicyDocument } from "./policy-document-call.ts";

interface FoundRole {
  readonly name: string;
  readonly arn: string;
  readonly path: string;
  readonly uniqueId: string;
  readonly assumeRolePolicy?: string;
}

/** What exists in the account: the stacks ask, to adopt what an earlier deployment retained. */
export interface AccountLookups {
  roles(pathPrefix: string): Promise<readonly FoundRole[]>;
  /** The names of all tables. */
  tables(): Promise<readonly string[]>;
  /** The customer managed policies. */
  policies(): Promise<readonly { readonly name: string; readonly arn: string; readonly path: string }[]>;
}

export interface AccountIdentity {
  readonly accountId: string;
  readonly region: string;
}

type Inputs = Readonly<Record<string, unknown>>;
type Answer = Readonly<Record<string, unknown>>;

/**
 * Answers a provider function.
 * @throws DeployError `resource_unsupported` for a function not known here; Error where what is asked for doesn't exist,
 * as the provider does.
 */
export async function answerCall(
  token: string,
  inputs: Inputs,
  identity: AccountIdentity,
  lookups: AccountLookups,
): Promise<Answer> {
  const { accountId, region } = identity;
  switch (token) {
    case "aws:iam/getPolicyDocument:getPolicyDocument":
      return answerPolicyDocument(inputs);
    case "aws:index/getCallerIdentity:getCallerIdentity":
      return { id: accountId, accountId, arn: `arn:aws:iam::${accountId}:root`, userId: accountId };
    case "aws:index/getRegion:getRegion":
      return { id: region, name: region, region, description: region, endpoint: `ec2.${region}.amazonaws.com` };
    case "aws:index/getPartition:getPartition":
      return { id: "aws", partition: "aws", dnsSuffix: "amazonaws.com", reverseDnsPrefix: "com.amazonaws" };
    case "aws:iam/getRole:getRole":
      return getRole(inputs, lookups);
    case "aws:iam/getRoles:getRoles":
      return getRoles(inputs, region, lookups);
    case "aws:iam/getPolicy:getPolicy":
      return getPolicy(inputs, lookups);
    case "aws:dynamodb/getTable:getTable":
      return getTable(inputs, identity, lookups);
    case "aws:dynamodb/getTables:getTables":
      return { id: region, region, names: [...(await lookups.tables())] };
    default:
      throw new DeployError(
        "resource_unsupported",
        `${token}: the local deploy can't answer this provider function. Add it to packages/local/src/deploy/account-calls.ts.`,
      );
  }
}

async function getRole(inputs: Inputs, lookups: AccountLookups): Promise<Answer> {
  const role = (await lookups.roles("/")).find(({ name }) => name === inputs.name);
  if (role === undefined) throw notFound("IAM Role", inputs.name);
  return { id: role.name, ...role };
}

async function getRoles(inputs: Inputs, region: string, lookups: AccountLookups): Promise<Answer> {
  const { nameRegex, pathPrefix = "/" } = inputs;
  const pattern = typeof nameRegex === "string" ? new RegExp(nameRegex) : /^/;
  const roles = (await lookups.roles(String(pathPrefix))).filter(({ name }) => pattern.test(name));
  return { ...inputs, id: region, names: roles.map(({ name }) => name), arns: roles.map(({ arn }) => arn) };
}

async function getPolicy(inputs: Inputs, lookups: AccountLookups): Promise<Answer> {
  const { arn, name } = inputs;
  const policy = (await lookups.policies()).find((known) => known.arn === arn || known.name === name);
  if (policy === undefined) throw notFound("IAM Policy", arn ?? name);
  return { id: policy.arn, ...policy };
}

async function getTable(inputs: Inputs, identity: AccountIdentity, lookups: AccountLookups): Promise<Answer> {
  const name = inputs.name;
  if (!(await lookups.tables()).some((known) => known === name)) throw notFound("DynamoDB Table", name);
  const arn = `arn:aws:dynamodb:${identity.region}:${identity.accountId}:table/${name}`;
  return { id: name, name, arn };
}

function notFound(what: string, name: unknown): Error {
  return new Error(`reading ${what} (${String(name)}): couldn't find resource`);
}
