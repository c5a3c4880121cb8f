import {
  AttachRolePolicyCommand,
  CreatePolicyCommand,
  type CreatePolicyCommandInput,
  CreatePolicyVersionCommand,
  CreateRoleCommand,
  type CreateRoleCommandInput,
  DeletePolicyVersionCommand,
  DeleteRolePermissionsBoundaryCommand,
  DeleteRolePolicyCommand,
  DetachRolePolicyCommand,
  GetPolicyCommand,
  GetPolicyVersionCommand,
  GetRoleCommand,
  IAMClient,
  ListAttachedRolePoliciesCommand,
  ListPolicyVersionsCommand,
  ListRolePoliciesCommand,
  PutRolePermissionsBoundaryCommand,
  PutRolePolicyCommand,
  type PutRolePolicyCommandInput,
  type Role,
  TagPolicyCommand,
  TagRoleCommand,
  UpdateAssumeRolePolicyCommand,
  UpdateRoleCommand,
} from "@aws-sdk/client-iam";
import { createOrAdopt, type ResourceContext, type ResourceHandlers } from "../resource-context.ts";
import type { ResourceRequest, ResourceResult } from "../resource-provider.ts";
import {
  asList,
  asRecord,
  HANDLED,
  type InputRules,
  ignored,
  json,
  jsonText,
  physicalName,
  requiredText,
  tags,
  translateInputs,
  unsupportedInput,
} from "../translate-inputs.ts";

const ROLE_RULES: InputRules<CreateRoleCommandInput> = {
  name: HANDLED,
  assumeRolePolicy: json("AssumeRolePolicyDocument"),
  description: "Description",
  path: "Path",
  permissionsBoundary: "PermissionsBoundary",
  maxSessionDuration: "MaxSessionDuration",
  tags: tags("Tags"),
  inlinePolicies: HANDLED,
  managedPolicyArns: HANDLED,
  forceDetachPolicies: ignored("only acts when the role is deleted"),
};

const POLICY_RULES: InputRules<CreatePolicyCommandInput> = {
  name: HANDLED,
  policy: json("PolicyDocument"),
  description: "Description",
  path: "Path",
  tags: tags("Tags"),
  delayAfterPolicyCreationInMs: ignored("the local IAM is consistent at once"),
};

const ROLE_POLICY_RULES: InputRules<PutRolePolicyCommandInput> = {
  name: HANDLED,
  role: HANDLED,
  policy: json("PolicyDocument"),
};

/** A managed policy keeps at most five versions: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html */
const POLICY_VERSIONS_MAX = 5;

async function createRole(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const iam = context.client(IAMClient);
  const RoleName = physicalName(request);
  const params = translateInputs(request, ROLE_RULES);
  const role = await createOrAdopt(
    async () => {
      const AssumeRolePolicyDocument = jsonText(request.inputs.assumeRolePolicy);
      return (await iam.send(new CreateRoleCommand({ ...params, RoleName, AssumeRolePolicyDocument }))).Role;
    },
    ["EntityAlreadyExistsException"],
    () => adoptRole(iam, RoleName, params, request),
  );
  await setInlinePolicies(iam, RoleName, request);
  await setManagedPolicies(iam, RoleName, request);
  return roleResult(role);
}

/** A retained role gets the program's trust policy, boundary, description, session length and tags. */
async function adoptRole(
  iam: IAMClient,
  RoleName: string,
  params: Partial<CreateRoleCommandInput>,
  request: ResourceRequest,
): Promise<Role | undefined> {
  const { Role: role } = await iam.send(new GetRoleCommand({ RoleName }));
  const path = params.Path ?? "/";
  // A path can't be changed; a role elsewhere under this name isn't the one that the stack retained.
  if (role?.Path !== path) throw new Error(`a role of this name has the path ${role?.Path}, not ${path}`);
  const PolicyDocument = jsonText(request.inputs.assumeRolePolicy);
  await iam.send(new UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument }));
  const { Description = "", MaxSessionDuration = 3600, PermissionsBoundary, Tags } = params;
  await iam.send(new UpdateRoleCommand({ RoleName, Description, MaxSessionDuration }));
  if (PermissionsBoundary !== undefined) {
    await iam.send(new PutRolePermissionsBoundaryCommand({ RoleName, PermissionsBoundary }));
  } else if (role.PermissionsBoundary !== undefined) {
    await iam.send(new DeleteRolePermissionsBoundaryCommand({ RoleName }));
  }
  if (Tags !== undefined) await iam.send(new TagRoleCommand({ RoleName, Tags }));
  return role;
}

/** Where the program lists inline policies, the list is the whole of them, as with Pulumi: others are removed. */
async function setInlinePolicies(iam: IAMClient, RoleName: string, request: ResourceRequest): Promise<void> {
  const listed = request.inputs.inlinePolicies;
  if (listed === undefined) return;
  const path = `${request.type} ${request.name}.inlinePolicies`;
  const wanted = new Set<string>();
  for (const item of asList(listed, path)) {
    const { name, policy, ...others } = asRecord(item, path);
    const [unknown] = Object.entries(others);
    if (unknown !== undefined) throw unsupportedInput(`${path}.${unknown[0]}`, unknown[1]);
    if (typeof name !== "string") throw unsupportedInput(`${path}.name`, name);
    wanted.add(name);
    const PolicyDocument = jsonText(policy);
    await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: name, PolicyDocument }));
  }
  const { PolicyNames = [] } = await iam.send(new ListRolePoliciesCommand({ RoleName }));
  for (const PolicyName of PolicyNames) {
    if (!wanted.has(PolicyName)) await iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName }));
  }
}

/** As with inline policies: a list given is the whole of them. */
async function setManagedPolicies(iam: IAMClient, RoleName: string, request: ResourceRequest): Promise<void> {
  const listed = request.inputs.managedPolicyArns;
  if (listed === undefined) return;
  const wanted = asList(listed, `${request.type} ${request.name}.managedPolicyArns`).map(String);
  for (const PolicyArn of wanted) await iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn }));
  const { AttachedPolicies = [] } = await iam.send(new ListAttachedRolePoliciesCommand({ RoleName }));
  for (const { PolicyArn } of AttachedPolicies) {
    if (PolicyArn !== undefined && !wanted.includes(PolicyArn)) {
      await iam.send(new DetachRolePolicyCommand({ RoleName, PolicyArn }));
    }
  }
}

function roleResult(role: Role | undefined): ResourceResult {
  if (role?.RoleName === undefined || role.Arn === undefined) throw new Error("IAM gave no role back");
  return {
    id: role.RoleName,
    state: {
      arn: role.Arn,
      name: role.RoleName,
      path: role.Path,
      uniqueId: role.RoleId,
      createDate: role.CreateDate?.toISOString(),
    },
  };
}

async function readRole(id: string, context: ResourceContext): Promise<ResourceResult> {
  const { Role: role } = await context.client(IAMClient).send(new GetRoleCommand({ RoleName: id }));
  return roleResult(role);
}

async function createPolicy(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const iam = context.client(IAMClient);
  const PolicyName = physicalName(request);
  const params = translateInputs(request, POLICY_RULES);
  const PolicyDocument = jsonText(request.inputs.policy);
  const arn = await createOrAdopt(
    async () => (await iam.send(new CreatePolicyCommand({ ...params, PolicyName, PolicyDocument }))).Policy?.Arn,
    ["EntityAlreadyExistsException"],
    async () => {
      const PolicyArn = `arn:aws:iam::${context.accountId}:policy${params.Path ?? "/"}${PolicyName}`;
      await setPolicyDocument(iam, PolicyArn, PolicyDocument);
      if (params.Tags !== undefined) await iam.send(new TagPolicyCommand({ PolicyArn, Tags: params.Tags }));
      return PolicyArn;
    },
  );
  if (arn === undefined) throw new Error("IAM gave no policy ARN back");
  return { id: arn, state: { arn, name: PolicyName, path: params.Path ?? "/" } };
}

async function readPolicy(id: string, context: ResourceContext): Promise<ResourceResult> {
  const { Policy } = await context.client(IAMClient).send(new GetPolicyCommand({ PolicyArn: id }));
  return { id, state: { arn: id, name: Policy?.PolicyName, path: Policy?.Path } };
}

async function setPolicyDocument(iam: IAMClient, PolicyArn: string, PolicyDocument: string): Promise<void> {
  const { Policy } = await iam.send(new GetPolicyCommand({ PolicyArn }));
  const VersionId = Policy?.DefaultVersionId;
  const { PolicyVersion } = await iam.send(new GetPolicyVersionCommand({ PolicyArn, VersionId }));
  if (decodeURIComponent(PolicyVersion?.Document ?? "") === PolicyDocument) return;
  const { Versions = [] } = await iam.send(new ListPolicyVersionsCommand({ PolicyArn }));
  const oldest = Versions.filter((version) => !version.IsDefaultVersion).at(-1);
  if (Versions.length >= POLICY_VERSIONS_MAX && oldest !== undefined) {
    await iam.send(new DeletePolicyVersionCommand({ PolicyArn, VersionId: oldest.VersionId }));
  }
  await iam.send(new CreatePolicyVersionCommand({ PolicyArn, PolicyDocument, SetAsDefault: true }));
}

async function createRolePolicy(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  const RoleName = requiredText(request, "role");
  const PolicyName = physicalName(request);
  translateInputs(request, ROLE_POLICY_RULES);
  const PolicyDocument = jsonText(request.inputs.policy);
  await context.client(IAMClient).send(new PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument }));
  return { id: `${RoleName}:${PolicyName}`, state: { name: PolicyName } };
}

async function attachRolePolicy(request: ResourceRequest, context: ResourceContext): Promise<ResourceResult> {
  translateInputs(request, { role: HANDLED, policyArn: HANDLED });
  const RoleName = requiredText(request, "role");
  const PolicyArn = requiredText(request, "policyArn");
  await context.client(IAMClient).send(new AttachRolePolicyCommand({ RoleName, PolicyArn }));
  return { id: `${RoleName}-${PolicyArn}`, state: {} };
}

export const handlers: ResourceHandlers = {
  "aws:iam/role:Role": { create: createRole, read: readRole },
  "aws:iam/policy:Policy": { create: createPolicy, read: readPolicy },
  "aws:iam/rolePolicy:RolePolicy": { create: createRolePolicy },
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment": { create: attachRolePolicy },
};
