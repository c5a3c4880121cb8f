import middy from "@middy/core";
import { parseTenantId, TenantKeysError } from "@tenantkeys/core";
import { expect, it } from "vitest";
import { refuseOtherTenant } from "./current-tenant.ts";
import type { TenantKey, TenantKeys } from "./tenant-keys.ts";
import { errorOf } from "./test-support.ts";
import { type WithTenantOptions, withTenant } from "./with-tenant.ts";

interface Event {
  readonly tenant?: string;
}

/** Every tenant may work but those that the test names. Keys do nothing but to say whose they are. */
function tenantKeysBut(...refused: readonly string[]): TenantKeys {
  return {
    for(id, keyName = "default") {
      const tenantId = parseTenantId(id);
      refuseOtherTenant(tenantId);
      const check = async () => {
        await Promise.resolve();
        refuseOtherTenant(tenantId);
        if (refused.includes(id)) throw new TenantKeysError("tenant_suspended", `tenant ${id} is suspended`);
      };
      return { tenantId, keyName, check } as unknown as TenantKey;
    },
    forget() {},
    destroy() {},
  };
}

const tenantKeys = tenantKeysBut("paused");
const options: WithTenantOptions<Event> = { tenantKeys, tenantId: ({ tenant }) => tenant };
const context = () => ({ awsRequestId: "1" }) as never;

it("gives the handler the key of the event's tenant, typed", async () => {
  const handler = middy()
    .use(withTenant({ ...options, keyName: "payroll" }))
    .handler(async (_event: Event, { tenantKey }) => `${tenantKey.tenantId}/${tenantKey.keyName}`);
  expect(await handler({ tenant: "acme" }, context())).toBe("acme/payroll");
});

it("doesn't call the handler for a tenant that may not work, and gives the error as it is", async () => {
  let calls = 0;
  const handler = middy()
    .use(withTenant(options))
    .handler(async () => {
      calls += 1;
    });
  expect((await errorOf(handler({ tenant: "paused" }, context()))).code).toBe("tenant_suspended");
  expect((await errorOf(handler({}, context()))).code).toBe("tenant_missing");
  expect((await errorOf(handler({ tenant: "" }, context()))).code).toBe("tenant_missing");
  expect((await errorOf(handler({ tenant: "ACME" }, context()))).code).toBe("identifier_invalid");
  expect(calls).toBe(0);
});

it("refuses another tenant's key in the handler, before anything is done, also one kept from another invocation", async () => {
  const kept: TenantKey[] = [];
  const handler = middy()
    // Something that waits before, as a parser of the body may.
    .use({ before: async () => Promise.resolve() })
    .use(withTenant(options))
    .handler(async (event: Event, { tenantKey }) => {
      kept.push(tenantKey);
      await Promise.resolve();
      await kept[0]?.check();
      return tenantKeys.for(event.tenant === "globex" ? "acme" : "acme").tenantId;
    });
  expect(await handler({ tenant: "acme" }, context())).toBe("acme");
  const error = await errorOf(handler({ tenant: "globex" }, context()));
  expect(error.code).toBe("tenant_mixed_up");
  expect(error.message).toBe("this invocation is of tenant globex, and its code uses a key of tenant acme");
});

it("keeps invocations that run side by side apart", async () => {
  const handler = middy()
    .use(withTenant(options))
    .handler(async (_event: Event, { tenantKey }) => {
      for (const _ of [1, 2, 3]) await tenantKey.check();
      return tenantKey.tenantId;
    });
  const events = ["acme", "globex", "initech"].map((tenant) => handler({ tenant }, context()));
  expect(await Promise.all(events)).toEqual(["acme", "globex", "initech"]);
});

it("lets the code after an invocation use any tenant's key, however the invocation ended", async () => {
  const handler = middy()
    .use(withTenant(options))
    .handler(async ({ tenant }: Event) => {
      if (tenant === "failing") throw new Error("a fault of the handler");
    });
  await handler({ tenant: "acme" }, context());
  expect(tenantKeys.for("globex").tenantId).toBe("globex");
  await expect(handler({ tenant: "failing" }, context())).rejects.toThrow("a fault of the handler");
  expect(tenantKeys.for("globex").tenantId).toBe("globex");
});

it("has a key in the context that isn't replaced by mistake", async () => {
  const handler = middy()
    .use(withTenant(options))
    .handler(async (_event: Event, context) => {
      (context as { tenantKey: unknown }).tenantKey = tenantKeys;
    });
  await expect(handler({ tenant: "acme" }, context())).rejects.toThrow(TypeError);
});

it("gives no key where the guard was lost on the way, as where middlewares run in a function of their own", async () => {
  const { before } = withTenant(options);
  const request = { event: { tenant: "acme" }, context: context() as object };
  // As middy did before 7.7.2: what is entered after somebody waited is gone when the handler is called.
  const runMiddlewares = async () => {
    await Promise.resolve();
    await before?.(request as never);
  };
  await runMiddlewares();
  const handler = async ({ tenantKey }: { tenantKey?: TenantKey }) => tenantKey?.tenantId;
  const error = await errorOf(handler(request.context));
  expect(error.code).toBe("tenant_mixed_up");
  expect(error.message).toContain("7.7.2");
});
