import { PutEventsCommand } from "@aws-sdk/client-eventbridge";
import {
  AttachRolePolicyCommand,
  CreatePolicyCommand,
  CreateRoleCommand,
  DeleteRoleCommand,
  DeleteRolePolicyCommand,
  PutRolePermissionsBoundaryCommand,
  PutRolePolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from "@aws-sdk/client-iam";
import { AssumeRoleCommand } from "@aws-sdk/client-sts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "./emulator.ts";
import {
  ACCOUNT_ROOT,
  assume,
  type Caller,
  callerWith,
  makeRole,
  outcome,
  policy,
  type Statement,
} from "./test-support.ts";

const ROLES = "arn:aws:iam::000000000000:role/";
const NOTHING = policy({ Effect: "Deny", Action: "*", Resource: "*" });

let emulator: Emulator;
let root: Caller;
let boundary: string;
let otherBoundary: string;

beforeAll(async () => {
  emulator = await startEmulator();
  root = callerWith(emulator, emulator.credentials);
  const limit = async (name: string) => {
    const everything = policy({ Effect: "Allow", Action: "*", Resource: "*" });
    const made = await root.iam.send(
      new CreatePolicyCommand({ PolicyName: name, Path: "/tenantkeys/dev/", PolicyDocument: everything }),
    );
    return made.Policy?.Arn as string;
  };
  boundary = await limit("boundary");
  otherBoundary = await limit("other-boundary");
}, 120_000);

afterAll(async () => {
  await emulator?.stop();
});

function trusting(principal: unknown, condition?: unknown): string {
  const statement = { Effect: "Allow", Principal: principal, Action: "sts:AssumeRole" };
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ ...statement, ...(condition ? { Condition: condition } : {}) }],
  });
}

const TRUST = trusting({ AWS: ACCOUNT_ROOT });

describe("roles with paths", () => {
  test("IAM permissions are on the role's ARN with its path, before the role exists and after", async () => {
    const arn = await makeRole(root, "path-provisioner", {
      allow: [{ Effect: "Allow", Action: ["iam:CreateRole", "iam:DeleteRole"], Resource: `${ROLES}tenantkeys/dev/*` }],
    });
    const caller = await assume(emulator, root, arn);
    const create = (name: string, path?: string) =>
      outcome(caller.iam.send(new CreateRoleCommand({ RoleName: name, Path: path, AssumeRolePolicyDocument: TRUST })));
    expect(await create("in-path", "/tenantkeys/dev/")).toBe("ok");
    expect(await create("out-of-path", "/tenantkeys/production/")).toBe("AccessDenied");
    expect(await create("no-path")).toBe("AccessDenied");
    await makeRole(root, "others");
    expect(await outcome(caller.iam.send(new DeleteRoleCommand({ RoleName: "others" })))).toBe("AccessDenied");
    expect(await outcome(caller.iam.send(new DeleteRoleCommand({ RoleName: "in-path" })))).toBe("ok");
  });

  test("CreatePolicy is checked on the new policy's ARN", async () => {
    const allow: Statement = {
      Effect: "Allow",
      Action: "iam:CreatePolicy",
      Resource: "arn:aws:iam::000000000000:policy/mine/*",
    };
    const caller = await assume(emulator, root, await makeRole(root, "policy-maker", { allow: [allow] }));
    const create = (path: string) =>
      outcome(caller.iam.send(new CreatePolicyCommand({ PolicyName: "p", Path: path, PolicyDocument: NOTHING })));
    expect(await create("/mine/")).toBe("ok");
    expect(await create("/yours/")).toBe("AccessDenied");
  });

  test("AssumeRole wants the role's whole ARN", async () => {
    const arn = await makeRole(root, "deep", { path: "/a/b/" });
    const assumeAs = (RoleArn: string) =>
      outcome(root.sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: "test" })));
    expect(await assumeAs(arn)).toBe("ok");
    expect(await assumeAs(`${ROLES}deep`)).toBe("AccessDenied");
  });
});

describe("iam:PermissionsBoundary", () => {
  test("CreateRole is checked on the boundary in the request, and later changes on the one the role has", async () => {
    const limited: Statement = {
      Effect: "Allow",
      Action: "iam:*",
      Resource: "*",
      Condition: { ArnEquals: { "iam:PermissionsBoundary": boundary } },
    };
    const caller = await assume(emulator, root, await makeRole(root, "delegate", { allow: [limited] }));
    const create = (RoleName: string, PermissionsBoundary?: string) =>
      outcome(
        caller.iam.send(new CreateRoleCommand({ RoleName, PermissionsBoundary, AssumeRolePolicyDocument: TRUST })),
      );
    expect(await create("bounded", boundary)).toBe("ok");
    expect(await create("unbounded")).toBe("AccessDenied");
    expect(await create("wrongly-bounded", otherBoundary)).toBe("AccessDenied");
    await makeRole(root, "unbounded", { allow: [{ Effect: "Allow", Action: "s3:*", Resource: "*" }] });
    const change = async (RoleName: string) =>
      Promise.all([
        outcome(caller.iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: "allow", PolicyDocument: NOTHING }))),
        outcome(caller.iam.send(new AttachRolePolicyCommand({ RoleName, PolicyArn: otherBoundary }))),
      ]);
    expect(await change("bounded")).toEqual(["ok", "ok"]);
    expect(await change("unbounded")).toEqual(["AccessDenied", "AccessDenied"]);
    const remove = (RoleName: string) =>
      outcome(caller.iam.send(new DeleteRolePolicyCommand({ RoleName, PolicyName: "allow" })));
    expect(await remove("bounded")).toBe("ok");
    expect(await remove("unbounded")).toBe("AccessDenied");
    const swap = (PermissionsBoundary: string) =>
      outcome(caller.iam.send(new PutRolePermissionsBoundaryCommand({ RoleName: "bounded", PermissionsBoundary })));
    expect(await swap(otherBoundary)).toBe("AccessDenied");
    expect(await swap(boundary)).toBe("ok");
  });
});

describe("trust policies", () => {
  test.each([
    ["the account", { AWS: ACCOUNT_ROOT }, "ok"],
    ["a service", { Service: "lambda.amazonaws.com" }, "ok"],
    ["a role that doesn't exist", { AWS: `${ROLES}nobody` }, "MalformedPolicyDocumentException"],
    ["half an ARN and a wildcard", { AWS: `${ROLES}*` }, "MalformedPolicyDocumentException"],
    ["nobody's unique id", { AWS: "AROAEXAMPLEEXAMPLE123" }, "MalformedPolicyDocumentException"],
  ])("a trust policy that names %s", async (what, principal, expected) => {
    const RoleName = `trusts-${what.replaceAll(/[^a-z]/g, "-")}`;
    const create = new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trusting(principal) });
    expect(await outcome(root.iam.send(create))).toBe(expected);
    await makeRole(root, `${RoleName}-later`);
    const update = { RoleName: `${RoleName}-later`, PolicyDocument: trusting(principal) };
    expect(await outcome(root.iam.send(new UpdateAssumeRolePolicyCommand(update)))).toBe(expected);
  });

  test("a trust policy that isn't JSON is refused", async () => {
    const create = new CreateRoleCommand({ RoleName: "no-json", AssumeRolePolicyDocument: "{" });
    expect(await outcome(root.iam.send(create))).toBe("MalformedPolicyDocumentException");
  });

  test("a trusted role created again under the same name isn't trusted", async () => {
    const allow: Statement = { Effect: "Allow", Action: "sts:AssumeRole", Resource: "*" };
    const application = await makeRole(root, "application", { path: "/app/", allow: [allow] });
    const tenant = await root.iam.send(
      new CreateRoleCommand({ RoleName: "tenant", AssumeRolePolicyDocument: trusting({ AWS: application }) }),
    );
    const RoleArn = tenant.Role?.Arn as string;
    const assumeTenant = async () => {
      const caller = await assume(emulator, root, application);
      return outcome(caller.sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: "test" })));
    };
    expect(await assumeTenant()).toBe("ok");
    await root.iam.send(new DeleteRolePolicyCommand({ RoleName: "application", PolicyName: "allow" }));
    await root.iam.send(new DeleteRoleCommand({ RoleName: "application" }));
    await makeRole(root, "application", { path: "/app/", allow: [allow] });
    expect(await assumeTenant()).toBe("AccessDenied");
  });

  test("aws:PrincipalType and aws:PrincipalArn tell the root user and a role apart", async () => {
    const allow: Statement = { Effect: "Allow", Action: "sts:AssumeRole", Resource: "*" };
    const someone = await makeRole(root, "someone", { path: "/people/", allow: [allow] });
    const create = async (RoleName: string, condition: unknown) => {
      const document = trusting({ AWS: ACCOUNT_ROOT }, condition);
      const made = await root.iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: document }));
      return new AssumeRoleCommand({ RoleArn: made.Role?.Arn as string, RoleSessionName: "test" });
    };
    const rootOnly = await create("root-only", { StringEquals: { "aws:PrincipalType": "Account" } });
    const roleOnly = await create("role-only", { ArnEquals: { "aws:PrincipalArn": someone } });
    const session = await assume(emulator, root, someone);
    expect(await outcome(root.sts.send(rootOnly))).toBe("ok");
    expect(await outcome(session.sts.send(rootOnly))).toBe("AccessDenied");
    expect(await outcome(session.sts.send(roleOnly))).toBe("ok");
    expect(await outcome(root.sts.send(roleOnly))).toBe("AccessDenied");
  });
});

describe("EventBridge", () => {
  test("entries without a JSON object as Detail fail one by one, in their places", async () => {
    const entry = (Detail?: string) => ({ Source: "test", DetailType: "Test", Detail });
    const answer = await root.events.send(
      new PutEventsCommand({ Entries: [entry("{}"), entry("[1]"), entry("{"), entry('{"a":1}'), entry()] }),
    );
    expect(answer.FailedEntryCount).toBe(3);
    expect(answer.Entries?.map((result) => result.ErrorCode ?? "ok")).toEqual([
      "ok",
      "MalformedDetail",
      "MalformedDetail",
      "ok",
      "InvalidArgument",
    ]);
    expect(answer.Entries?.[3]?.EventId).toBeDefined();
  });
});
