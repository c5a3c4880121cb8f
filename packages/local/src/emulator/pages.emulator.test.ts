/** The lists that verification reads in bulk: they come in pages, and tell of a role all that IAM has of it. */
import {
  AttachRolePolicyCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  GetAccountAuthorizationDetailsCommand,
  PutRolePolicyCommand,
  type RoleDetail,
} from "@aws-sdk/client-iam";
import { CreateAliasCommand, CreateKeyCommand, ListAliasesCommand, ListKeysCommand } from "@aws-sdk/client-kms";
import { GetResourcesCommand, ResourceGroupsTaggingAPIClient } from "@aws-sdk/client-resource-groups-tagging-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "./emulator.ts";
import { ACCOUNT_ROOT, assume, type Caller, callerWith, makeRole, outcome, policy } from "./test-support.ts";

const KEYS = 101;

let emulator: Emulator;
let root: Caller;
let tagging: ResourceGroupsTaggingAPIClient;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
  tagging = taggingOf(emulator.credentials);
  for (let n = 0; n < KEYS; n++) {
    const Tags = [{ TagKey: "tenantkeys:stage", TagValue: n === 0 ? "other" : "dev" }];
    const { KeyMetadata } = await root.kms.send(new CreateKeyCommand({ Tags }));
    const AliasName = `alias/tenantkeys/dev/${n}`;
    await root.kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: KeyMetadata?.KeyId }));
  }
}, 120_000);

afterAll(async () => {
  tagging?.destroy();
  await emulator?.stop();
});

function taggingOf(credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }) {
  return new ResourceGroupsTaggingAPIClient({ endpoint: emulator.endpoint, region: emulator.region, credentials });
}

interface Page {
  readonly count: number;
  readonly next: string | undefined;
}

async function pageSizes(read: (marker: string | undefined) => Promise<Page>): Promise<readonly number[]> {
  const sizes: number[] = [];
  let marker: string | undefined;
  do {
    const { count, next } = await read(marker);
    sizes.push(count);
    marker = next;
  } while (marker !== undefined && sizes.length < 10);
  return sizes;
}

test("aliases come 50 a page, keys and tagged keys 100", async () => {
  const aliases = await pageSizes(async (Marker) => {
    const page = await root.kms.send(new ListAliasesCommand({ ...(Marker && { Marker }) }));
    return { count: page.Aliases?.length ?? 0, next: page.NextMarker };
  });
  expect(aliases).toEqual([50, 50, 1]);
  const keys = await pageSizes(async (Marker) => {
    const page = await root.kms.send(new ListKeysCommand({ ...(Marker && { Marker }) }));
    return { count: page.Keys?.length ?? 0, next: page.NextMarker };
  });
  expect(keys).toEqual([100, 1]);
  const tagged = await pageSizes(async (PaginationToken) => {
    const page = await tagging.send(new GetResourcesCommand({ ResourceTypeFilters: ["kms:key"], PaginationToken }));
    return { count: page.ResourceTagMappingList?.length ?? 0, next: page.PaginationToken || undefined };
  });
  expect(tagged).toEqual([100, 1]);
});

test("a larger page may be asked for, and tags are filtered by AWS", async () => {
  expect((await root.kms.send(new ListAliasesCommand({ Limit: 100 }))).Aliases).toHaveLength(100);
  const TagFilters = [{ Key: "tenantkeys:stage", Values: ["other"] }];
  const { ResourceTagMappingList } = await tagging.send(new GetResourcesCommand({ TagFilters }));
  expect(ResourceTagMappingList).toMatchObject([{ Tags: [{ Key: "tenantkeys:stage", Value: "other" }] }]);
});

test("the account's roles come with trust, inline and attached policies, tags and boundary, in pages of all lists together", async () => {
  const managed = await root.iam.send(
    new CreatePolicyCommand({
      PolicyName: "boundary",
      PolicyDocument: policy({ Effect: "Allow", Action: "kms:*", Resource: "*" }),
    }),
  );
  const PolicyArn = managed.Policy?.Arn as string;
  await root.iam.send(
    new CreateRoleCommand({
      RoleName: "whole",
      Path: "/tenantkeys/dev/",
      PermissionsBoundary: PolicyArn,
      Tags: [{ Key: "tenantkeys:tenant", Value: "a" }],
      AssumeRolePolicyDocument: policy({
        Effect: "Allow",
        Principal: { AWS: ACCOUNT_ROOT },
        Action: "sts:AssumeRole",
        Resource: "*",
      }),
    }),
  );
  const PolicyDocument = policy({ Effect: "Allow", Action: "kms:Decrypt", Resource: "*" });
  await root.iam.send(new PutRolePolicyCommand({ RoleName: "whole", PolicyName: "key-default", PolicyDocument }));
  await root.iam.send(new AttachRolePolicyCommand({ RoleName: "whole", PolicyArn }));
  for (let n = 0; n < 5; n++) await makeRole(root, `other-${n}`);

  const roles: RoleDetail[] = [];
  const sizes = await pageSizes(async (Marker) => {
    const input = { Filter: ["Role" as const], MaxItems: 4, ...(Marker && { Marker }) };
    const page = await root.iam.send(new GetAccountAuthorizationDetailsCommand(input));
    roles.push(...(page.RoleDetailList ?? []));
    return { count: page.RoleDetailList?.length ?? 0, next: page.IsTruncated ? page.Marker : undefined };
  });
  expect(sizes).toEqual([4, 2]);
  const whole = roles.find(({ RoleName }) => RoleName === "whole");
  expect(whole).toMatchObject({
    Path: "/tenantkeys/dev/",
    PermissionsBoundary: { PermissionsBoundaryType: "Policy", PermissionsBoundaryArn: PolicyArn },
    Tags: [{ Key: "tenantkeys:tenant", Value: "a" }],
    AttachedManagedPolicies: [{ PolicyName: "boundary", PolicyArn }],
    RolePolicyList: [{ PolicyName: "key-default", PolicyDocument: expect.stringContaining("kms%3ADecrypt") }],
  });
  expect(JSON.parse(decodeURIComponent(whole?.AssumeRolePolicyDocument ?? ""))).toMatchObject({
    Statement: [{ Principal: { AWS: ACCOUNT_ROOT } }],
  });
  expect(roles.find(({ RoleName }) => RoleName === "other-0")?.PermissionsBoundary).toBeUndefined();
});

test("each of the lists wants its permission", async () => {
  const roleArn = await makeRole(root, "may-not");
  const stranger = await assume(emulator, root, roleArn);
  const answers = [
    stranger.kms.send(new ListAliasesCommand({})),
    stranger.iam.send(new GetAccountAuthorizationDetailsCommand({})),
    taggingOf(await stranger.kms.config.credentials()).send(new GetResourcesCommand({})),
  ];
  expect(await Promise.all(answers.map(outcome))).toEqual([
    "AccessDeniedException",
    "AccessDenied",
    "AccessDeniedException",
  ]);
});
