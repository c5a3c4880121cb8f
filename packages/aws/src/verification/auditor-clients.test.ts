import { expect, test } from "vitest";
import type { SessionCredentials } from "../clients.ts";
import { CREDENTIALS, FakeClock } from "../test-support.ts";
import { renewedCredentials } from "./auditor-clients.ts";

const MINUTE_MS = 60_000;

/** Counts the sessions that were made; each lasts 15 minutes. */
function sessions(clock: FakeClock) {
  let made = 0;
  const assume = async (): Promise<SessionCredentials> => ({
    ...CREDENTIALS,
    sessionToken: `session-${++made}`,
    expiration: new Date(clock.nowMs() + 15 * MINUTE_MS),
  });
  return { assume, made: () => made };
}

test("who asks at the same time shares one session", async () => {
  const clock = new FakeClock();
  const { assume, made } = sessions(clock);
  const credentials = renewedCredentials(assume, () => clock.nowMs());
  const given = await Promise.all(Array.from({ length: 20 }, credentials));
  expect(new Set(given.map(({ sessionToken }) => sessionToken))).toEqual(new Set(["session-1"]));
  expect(made()).toBe(1);
});

test("a session is kept until five minutes before its end, and then made anew", async () => {
  const clock = new FakeClock();
  const { assume } = sessions(clock);
  const credentials = renewedCredentials(assume, () => clock.nowMs());
  await credentials();
  clock.advance(10 * MINUTE_MS - 1);
  expect((await credentials()).sessionToken).toBe("session-1");
  clock.advance(1);
  expect((await credentials()).sessionToken).toBe("session-2");
});

test("a refusal is told to all who wait, and the next asks again", async () => {
  const clock = new FakeClock();
  const { assume } = sessions(clock);
  let refuse = true;
  const credentials = renewedCredentials(
    async () => {
      if (refuse) throw new Error("not allowed");
      return assume();
    },
    () => clock.nowMs(),
  );
  const both = await Promise.allSettled([credentials(), credentials()]);
  expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  refuse = false;
  expect((await credentials()).sessionToken).toBe("session-1");
});
