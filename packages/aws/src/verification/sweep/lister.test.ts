import { parseKeyArn, SHARED_ROLE_RULES, sharedTrustPolicy, TenantKeysError } from "@tenantkeys/core";
import { describe, expect, test } from "vitest";
import { awsError, type Call, FakeClock } from "../../test-support.ts";
import { decodeShard, type ShardKey } from "./shard-content.ts";
import { sweepTick } from "./sweep-tick.ts";
import { longRun, SweepWorld, tenantKey } from "./sweep-world.test-support.ts";

function world(tenants: number): SweepWorld {
  const made = new SweepWorld();
  for (let index = 0; index < tenants; index++) made.add(tenantKey(`tenant-${index}`));
  return made;
}

async function list(made: SweepWorld): Promise<void> {
  await sweepTick(made.sweepPorts(), longRun(new FakeClock()));
}

function keysOf(made: SweepWorld): readonly ShardKey[] {
  return [...made.held.shards.values()].flatMap(({ content }) => decodeShard(content ?? new Uint8Array()));
}

const findingsOf = (made: SweepWorld) => made.recorded.flatMap(({ findings }) => findings);
const ofList = (made: SweepWorld) => made.recorded.find(({ scope }) => scope.judged?.includes("orphan-key"))?.scope;

describe("a shard", () => {
  test("says of each key what the lists said: its alias's key and its tenant's role", async () => {
    const made = world(1);
    await list(made);
    const keyArn = "arn:aws:kms:eu-west-1:111122223333:key/tenant-0-default";
    expect(keysOf(made)).toMatchObject([
      {
        tenantId: "tenant-0",
        keyName: "default",
        bulk: {
          aliasTarget: keyArn,
          role: { arn: "arn:aws:iam::111122223333:role/tenantkeys/dev/tk-dev-tenant-0" },
        },
      },
    ]);
  });

  test("says that a tenant has no role and no alias where the lists hold none", async () => {
    const made = world(1);
    made.aliases.splice(0);
    made.roles.splice(0);
    await list(made);
    expect(keysOf(made)).toMatchObject([{ bulk: { aliasTarget: undefined, role: undefined } }]);
  });

  test("holds keys of stages with other names nowhere, whatever the endpoint's filters leave in", async () => {
    const made = world(1);
    made.aliases.push({ AliasName: "alias/tenantkeys/dev2/tenant-0/default", TargetKeyId: "other" });
    made.tag("arn:aws:kms:eu-west-1:111122223333:key/other", { stage: "dev2", tenant: "tenant-0", key: "default" });
    made.tag("arn:aws:s3:::a-bucket", { stage: "dev", tenant: "tenant-0", key: "default" });
    made.addRole("tk-dev2-tenant-0", "/tenantkeys/dev2/");
    await list(made);
    expect(findingsOf(made)).toEqual([]);
  });

  test("counts a tenant of many keys once", async () => {
    const made = new SweepWorld();
    for (let index = 0; index < 450; index++) made.add(tenantKey("acme", `key-${index}`));
    made.add(tenantKey("globex"));
    await list(made);
    expect(made.held.current).toMatchObject({ tenantKeys: 451, tenants: 2, shards: 3 });
    expect([...made.held.shards.values()].map(({ tenants }) => tenants)).toEqual([1, 0, 1]);
  });

  test("takes a turn of its quota for every page", async () => {
    const made = world(25);
    await list(made);
    const turns = (operation: string) => made.turns.filter((turn) => turn === operation).length;
    expect(turns("kms:ListAliases")).toBe(3);
    expect(turns("tag:GetResources")).toBe(3);
    expect(turns("iam:GetAccountAuthorizationDetails")).toBe(3);
  });
});

describe("a list that isn't whole", () => {
  const denied =
    (operation: string) =>
    ({ name }: Call) =>
      name === operation ? awsError("AccessDeniedException", 400) : undefined;

  test.each([
    ["ListAliases", "kms:ListAliases", ["orphan-alias"]],
    ["GetResources", "tag:GetResources", ["orphan-key"]],
    [
      "GetAccountAuthorizationDetails",
      "iam:GetAccountAuthorizationDetails",
      ["orphan-role", "stage-mismatch", ...SHARED_ROLE_RULES],
    ],
  ])(
    "%s refused: a finding, counted, and what it would have given is read directly",
    async (name, operation, unjudged) => {
      const made = world(3);
      made.fails = denied(name);
      await list(made);
      const readDirectly = keysOf(made).filter(({ bulk }) => bulk === undefined);
      // Tags are of no use but for orphans.
      expect(readDirectly).toHaveLength(name === "GetResources" ? 0 : 3);
      expect(findingsOf(made)).toMatchObject([{ ruleId: "could-not-verify", resource: operation }]);
      expect(ofList(made)?.unjudged).toEqual(unjudged);
      expect(made.held.current).toMatchObject({ phase: "checking", readsDenied: 1, pagesCut: 0, tenantKeys: 3 });
    },
  );

  test("for a fault that passes is asked for again, and is whole then", async () => {
    const made = world(3);
    let failures = 2;
    made.fails = ({ name }) =>
      name === "ListAliases" && failures-- > 0 ? awsError("KMSInternalException", 500) : undefined;
    await list(made);
    expect(findingsOf(made)).toEqual([]);
    expect(keysOf(made)[0]?.bulk?.aliasTarget).toBeDefined();
  });

  test("because an emulator doesn't have it is no finding, and nothing follows from it", async () => {
    const made = world(2);
    made.fails = ({ name }) => (name === "ListAliases" ? awsError("UnknownOperationException", 400) : undefined);
    await list(made);
    expect(findingsOf(made)).toEqual([]);
    expect(ofList(made)?.unjudged).toEqual(["orphan-alias"]);
    expect(keysOf(made).map(({ bulk }) => bulk)).toEqual([undefined, undefined]);
    expect(made.held.current).toMatchObject({ readsDenied: 0 });
  });

  test("because it goes on for ever is cut, which is a finding and counted", async () => {
    const made = world(1);
    const ports = made.sweepPorts();
    const endless = { send: async () => ({ Aliases: [], Truncated: true, NextMarker: "again" }) };
    const observing = { ...ports.observing, kms: endless as never };
    await sweepTick({ ...ports, observing }, longRun(new FakeClock()));
    expect(made.held.current).toMatchObject({ readsDenied: 0, pagesCut: 1 });
    expect(findingsOf(made)).toMatchObject([{ ruleId: "could-not-verify", resource: "kms:ListAliases" }]);
  });

  test("because the auditor's role can't be had ends the turn: nothing could be verified", async () => {
    const made = world(1);
    const refused = new TenantKeysError("access_denied", "not allowed", { step: "sts:AssumeRole" });
    made.fails = ({ name }) => (name === "ListAliases" ? refused : undefined);
    await expect(list(made)).rejects.toMatchObject({ details: { step: "sts:AssumeRole" } });
    expect(findingsOf(made)).toEqual([]);
  });
});

describe("what belongs to nobody", () => {
  test("is a finding each: a key, an alias and a role that no record names", async () => {
    const made = world(2);
    made.tag("arn:aws:kms:eu-west-1:111122223333:key/orphan", { stage: "dev", tenant: "ghost", key: "default" });
    made.aliases.push({ AliasName: "alias/tenantkeys/dev/ghost/default", TargetKeyId: "orphan" });
    made.addRole("tk-dev-ghost");
    await list(made);
    expect(findingsOf(made).map(({ ruleId, tenantId }) => [ruleId, tenantId])).toEqual([
      ["orphan-key", "ghost"],
      ["orphan-alias", "ghost"],
      ["orphan-role", "ghost"],
    ]);
    expect(ofList(made)).toMatchObject({ tenantId: undefined, keyName: undefined, unjudged: [] });
  });

  test("isn't a key that the tagging index lists and KMS doesn't know any more", async () => {
    const made = world(1);
    const keyArn = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/gone");
    made.tag(keyArn, { stage: "dev", tenant: "ghost", key: "default" });
    made.fails = ({ name }) => (name === "DescribeKey" ? awsError("NotFoundException", 400) : undefined);
    await list(made);
    expect(findingsOf(made)).toEqual([]);
  });

  test("is looked at up to 500 of a kind; that there are more is said, and what is open of them stays open", async () => {
    const made = world(1);
    for (let index = 0; index < 501; index++) {
      made.aliases.push({ AliasName: `alias/tenantkeys/dev/ghost-${index}/default`, TargetKeyId: "x" });
    }
    await list(made);
    const found = findingsOf(made);
    expect(found.filter(({ ruleId }) => ruleId === "orphan-alias")).toHaveLength(500);
    expect(found.filter(({ ruleId }) => ruleId === "could-not-verify")).toHaveLength(1);
    expect(ofList(made)?.unjudged).toEqual(["orphan-alias"]);
  });
});

describe("the role that all tenants share", () => {
  const shared = (made: SweepWorld, more: object = {}) => {
    made.addRole("tenantkeys-dev-tenant", "/tenantkeys/");
    const { context } = made.sweepPorts();
    Object.assign(made.roles.at(-1) ?? {}, {
      AssumeRolePolicyDocument: encodeURIComponent(JSON.stringify(sharedTrustPolicy(context))),
      PermissionsBoundary: { PermissionsBoundaryArn: context.tenantBoundaryArn },
      ...more,
    });
  };
  const listShared = async (made: SweepWorld) => {
    const ports = made.sweepPorts();
    made.roles.splice(0, made.roles.length, ...made.roles.filter(({ Path }) => Path === "/tenantkeys/"));
    const context = { ...ports.context, roleMode: "session-tag" } as const;
    await sweepTick({ ...ports, context }, longRun(new FakeClock()));
  };

  test("is judged in every sweep of a stage that has one", async () => {
    const made = world(1);
    shared(made);
    await listShared(made);
    expect(findingsOf(made)).toEqual([]);
    expect(ofList(made)?.judged).toEqual(expect.arrayContaining([...SHARED_ROLE_RULES]));
  });

  test("without its boundary, or gone, is a finding of no tenant", async () => {
    const open = world(1);
    shared(open, { PermissionsBoundary: undefined });
    await listShared(open);
    expect(findingsOf(open)).toMatchObject([{ ruleId: "role-boundary-differs", tenantId: undefined }]);
    const gone = world(1);
    await listShared(gone);
    expect(findingsOf(gone)).toMatchObject([{ ruleId: "role-missing", tenantId: undefined }]);
  });
});

test("a role of the stage's names under a path that no ARN of ours holds doesn't end the sweep", async () => {
  const made = world(1);
  made.addRole("tk-dev-x", "/a:b/");
  await list(made);
  expect(made.held.current).toMatchObject({ phase: "checking", tenantKeys: 1 });
  expect(findingsOf(made)).toEqual([]);
});

describe("the registry", () => {
  test("with an item that can't be read is swept all the same, and the item is a finding", async () => {
    const made = world(2);
    made.items.push({ pk: "TENANT#acme", sk: "KEY#broken", entity: "TenantKey", tenantId: "acme" });
    await list(made);
    expect(made.held.current).toMatchObject({ tenantKeys: 2, phase: "checking" });
    expect(findingsOf(made)).toMatchObject([
      { ruleId: "could-not-verify", resource: "registry: TENANT#acme / KEY#broken" },
    ]);
  });

  test("that can't be read ends the turn: there is nothing to compare with", async () => {
    const made = world(2);
    made.fails = ({ name }) => (name === "Scan" ? awsError("AccessDeniedException", 400) : undefined);
    await expect(list(made)).rejects.toMatchObject({ code: "access_denied", details: { step: "dynamodb:Scan" } });
    expect(made.held.current).toMatchObject({ phase: "listing", leaseUntilMs: 0 });
  });

  test("that names a key in a Region that the stage doesn't look at is a finding about that key", async () => {
    const made = world(1);
    made.add(tenantKey("acme", "default", { keyArn: parseKeyArn("arn:aws:kms:us-east-2:111122223333:key/far") }));
    await list(made);
    expect(findingsOf(made).filter(({ ruleId }) => ruleId === "region-not-covered")).toMatchObject([
      { tenantId: "acme", keyName: "default", resource: "arn:aws:kms:us-east-2:111122223333:key/far" },
    ]);
  });
});
