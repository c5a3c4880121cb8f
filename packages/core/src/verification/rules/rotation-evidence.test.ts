/**
 * Ten years of each kind of key, day by day, against a model of how KMS rotates
 * (https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html): as long as KMS does what it says nothing is
 * overdue on any day, and once it doesn't, that is found within days.
 */
import { describe, expect, it } from "vitest";
import type { DesiredTenantKey } from "../../desired-state.ts";
import { parseKeyArn } from "../../ids.ts";
import type { KeyState } from "../../observed-state.ts";
import { DAY_MS } from "../../offboarding.ts";
import type { KeyTarget } from "../../plan.ts";
import { exampleProfile } from "../../test-support.ts";
import type { RuleId } from "../finding-rules.ts";
import type { PastRotation } from "../inspection.ts";
import { type Changes, exampleDesired, exampleInput, HOUR_MS, KEY_ARN, read, SKIPPED } from "../test-support.ts";
import { verifyTenantKey } from "../verify-tenant-key.ts";

/** 2026-11-24, and ten years of 365.25 days. */
const START_MS = 1_795_478_400_000;
const DAYS = 3652;
const ROTATION: readonly RuleId[] = [
  "rotation-off",
  "rotation-period-differs",
  "rotation-overdue",
  "rotation-budget-low",
];

const LATE_MS = 3 * HOUR_MS;

type Fault = "none" | "stops" | "skips";

/** A key as KMS rotates it: on its date, some hours late; never while disabled or dying, and at once when it is back. */
class ModelKey {
  state: KeyState = "Enabled";
  fault: Fault = "none";
  readonly past: PastRotation[] = [];
  #periodDays: number | undefined;
  #nextMs: number | undefined;

  setRotation(nowMs: number, periodDays: number | undefined): void {
    this.#periodDays = periodDays;
    this.#nextMs = periodDays === undefined ? undefined : nowMs + periodDays * DAY_MS;
  }

  rotateOnDemand(nowMs: number): void {
    this.past.push({ atMs: nowMs, type: "ON_DEMAND" });
  }

  pass(nowMs: number): void {
    if (this.state !== "Enabled" || this.#nextMs === undefined || this.#periodDays === undefined) return;
    const onItsDateMs = this.#nextMs + LATE_MS;
    if (nowMs < onItsDateMs || this.fault === "stops") return;
    const periodMs = this.#periodDays * DAY_MS;
    const atMs = nowMs < onItsDateMs + DAY_MS ? onItsDateMs : nowMs - HOUR_MS;
    if (this.fault === "none") this.past.push({ atMs, type: "AUTOMATIC" });
    // The schedule goes on as it was; what was missed while the key was disabled is made up for once.
    while (this.#nextMs <= nowMs) this.#nextMs += periodMs;
  }

  /** What KMS would answer now. */
  answers(): Changes["key"] & object {
    const dying = this.state === "PendingDeletion";
    const isOn = this.#periodDays !== undefined && !dying;
    const status = isOn
      ? { enabled: true, periodDays: this.#periodDays, nextRotationAtMs: this.#nextMs }
      : { enabled: false };
    return { rotation: read(status), rotations: read([...this.past]) };
  }
}

interface Life {
  readonly desired: DesiredTenantKey;
  readonly keyArn?: typeof KEY_ARN;
  /** What happens on a day, before KMS's own work. */
  readonly happens?: ((day: number, key: ModelKey, nowMs: number) => void) | undefined;
  /** What is declared on a day, and since when. */
  readonly declared?: (day: number) => { readonly target: KeyTarget; readonly tenant?: Changes["tenant"] };
}

/** What rotation doesn't hang on is left out: a hundred thousand checks are made here. */
const NOT_ASKED = { policy: SKIPPED, tags: SKIPPED, grants: SKIPPED } as const;

/** @returns for each rule about rotation the days on which it was found, over ten years */
function tenYears({ desired, keyArn = KEY_ARN, happens, declared }: Life): Partial<Record<RuleId, number[]>> {
  const key = new ModelKey();
  key.setRotation(START_MS, desired.rotationPeriodDays);
  const found: Partial<Record<RuleId, number[]>> = {};
  for (let day = 0; day < DAYS; day++) {
    // An odd hour, so that no check falls on the hour of a rotation.
    const nowMs = START_MS + day * DAY_MS + 7 * HOUR_MS;
    happens?.(day, key, nowMs);
    key.pass(nowMs);
    const { target, tenant = {} } = declared?.(day) ?? { target: "usable" as const };
    const rotation = desired.rotationPeriodDays === undefined ? {} : key.answers();
    const input = exampleInput({
      desired,
      target,
      tenant,
      key: { ...NOT_ASKED, ...rotation },
      description: { state: key.state, createdAtMs: START_MS, deletionDateMs: undefined },
      record: { keyArn, attempts: [], materialExpiresAtMs: undefined },
      inspected: { role: SKIPPED, aliasTarget: SKIPPED },
      input: { nowMs },
    });
    for (const { ruleId } of verifyTenantKey(input).findings) {
      if (ROTATION.includes(ruleId)) found[ruleId] = [...(found[ruleId] ?? []), day];
    }
  }
  return found;
}

const SYMMETRIC = (rotationPeriodDays: number) => exampleDesired(exampleProfile({ rotationPeriodDays }));
const PERIODS_DAYS = [90, 365, 2560] as const;

describe("while KMS does what it says", () => {
  it.each(PERIODS_DAYS)("finds nothing on a key that is rotated every %i days", (periodDays) => {
    expect(tenYears({ desired: SYMMETRIC(periodDays) })).toEqual({});
  });

  it("finds nothing on a multi-Region key", () => {
    const desired = exampleDesired(exampleProfile({ replicaRegions: ["eu-central-1"] }));
    const keyArn = parseKeyArn("arn:aws:kms:eu-west-1:111122223333:key/mrk-1");
    expect(tenYears({ desired, keyArn })).toEqual({});
  });

  it.each([
    ["imported material", { origin: "EXTERNAL" }],
    ["HMAC", { keySpec: "HMAC_256" }],
    ["RSA", { keySpec: "RSA_2048" }],
    ["ECC", { keySpec: "ECC_NIST_P256" }],
    ["CloudHSM", { origin: "AWS_CLOUDHSM", customKeyStoreId: "cks-1" }],
    ["an external key store", { origin: "EXTERNAL_KEY_STORE", customKeyStoreId: "cks-1" }],
  ] as const)("finds nothing on a key that KMS never rotates: %s", (_, profile) => {
    expect(tenYears({ desired: exampleDesired(exampleProfile(profile)) })).toEqual({});
  });

  it("finds nothing on a key that is also rotated on request, until 20 are spent", () => {
    const happens: Life["happens"] = (day, key, nowMs) => {
      if (day % 170 === 100) key.rotateOnDemand(nowMs);
    };
    const found = tenYears({ desired: SYMMETRIC(365), happens });
    expect(Object.keys(found)).toEqual(["rotation-budget-low"]);
    expect(found["rotation-budget-low"]?.[0]).toBe(100 + 19 * 170);
  });

  /** Away from day 800 for 400 days, over a rotation's date. */
  const isAway = (day: number) => day >= 800 && day < 1200;
  const backSince = (day: number) =>
    day < 1200 ? undefined : { value: false, generation: 3, eventId: "event-3", atMs: START_MS + 1200 * DAY_MS };

  it.each(PERIODS_DAYS)("finds nothing on a tenant that was suspended over its date of %i days", (periodDays) => {
    const found = tenYears({
      desired: SYMMETRIC(periodDays),
      happens: (day, key) => {
        key.state = isAway(day) ? "Disabled" : "Enabled";
      },
      declared: (day) => ({ target: isAway(day) ? "disabled" : "usable", tenant: { suspension: backSince(day) } }),
    });
    expect(found).toEqual({});
  });

  it("finds nothing on a tenant that was offboarded, its deletion pending, and reinstated", () => {
    const found = tenYears({
      desired: SYMMETRIC(365),
      happens: (day, key) => {
        key.state = day >= 1085 && day < 1110 ? "PendingDeletion" : "Enabled";
      },
      declared: (day) =>
        day >= 1085 && day < 1110
          ? { target: "deleted" }
          : {
              target: "usable",
              tenant: { leaving: { value: false, generation: 3, eventId: "event-3", atMs: START_MS + 1110 * DAY_MS } },
            },
    });
    expect(found).toEqual({});
  });

  it("finds no rotation off on a key whose deletion nobody declared, as KMS says off of every dying key", () => {
    const happens: Life["happens"] = (day, key) => {
      key.state = day >= 500 && day < 520 ? "PendingDeletion" : "Enabled";
    };
    expect(tenYears({ desired: SYMMETRIC(365), happens })).toEqual({});
  });

  it("finds nothing overdue on a key whose rotation was switched off for a while, and then put off once", () => {
    const happens: Life["happens"] = (day, key, nowMs) => {
      if (day === 600) key.setRotation(nowMs, undefined);
      if (day === 640) key.setRotation(nowMs, 365);
    };
    const found = tenYears({ desired: SYMMETRIC(365), happens });
    expect(Object.keys(found)).toEqual(["rotation-off"]);
    expect(found["rotation-off"]).toEqual(Array.from({ length: 40 }, (_, index) => 600 + index));
  });

  it("finds nothing overdue on a key whose period was shortened to 90 days, though it is older", () => {
    const happens: Life["happens"] = (day, key, nowMs) => {
      if (day === 0) key.setRotation(nowMs, 365);
      if (day === 350) key.setRotation(nowMs, 90);
    };
    expect(Object.keys(tenYears({ desired: SYMMETRIC(90), happens }))).toEqual(["rotation-period-differs"]);
  });
});

describe("once KMS doesn't", () => {
  const failsFrom =
    (day: number, fault: Fault): Life["happens"] =>
    (today, key) => {
      key.fault = today >= day ? fault : "none";
    };

  it.each([
    [90, 1890],
    [365, 2190],
    [2560, 2560],
  ])(
    "finds overdue what has a date of every %i days and is no longer rotated on it, two days later",
    (periodDays, dateDay) => {
      const found = tenYears({ desired: SYMMETRIC(periodDays), happens: failsFrom(1830, "stops") });
      expect(Object.keys(found)).toEqual(["rotation-overdue"]);
      expect(found["rotation-overdue"]?.[0]).toBe(dateDay + 2);
      expect(found["rotation-overdue"]?.at(-1)).toBe(DAYS - 1);
    },
  );

  it.each([90, 365, 2560])(
    "finds overdue what is listed with a new date, and no rotation on the old one: every %i days",
    (periodDays) => {
      const firstDay = Math.ceil(1830 / periodDays) * periodDays;
      const found = tenYears({ desired: SYMMETRIC(periodDays), happens: failsFrom(1830, "skips") });
      expect(Object.keys(found)).toEqual(["rotation-overdue"]);
      expect((found["rotation-overdue"]?.[0] ?? 0) - firstDay).toBeLessThanOrEqual(3);
    },
  );

  it("finds overdue a key that was never rotated since it was made", () => {
    const found = tenYears({ desired: SYMMETRIC(365), happens: failsFrom(0, "skips") });
    expect(found["rotation-overdue"]?.[0]).toBeLessThanOrEqual(368);
  });

  it("finds overdue what somebody puts off again and again, a year after its period at the latest", () => {
    const happens: Life["happens"] = (day, key, nowMs) => {
      if (day % 50 === 0) key.setRotation(nowMs, 365);
    };
    expect(tenYears({ desired: SYMMETRIC(365), happens })["rotation-overdue"]?.[0]).toBe(732);
  });

  it("takes a rotation on request for no rotation on the date", () => {
    const happens: Life["happens"] = (day, key, nowMs) => {
      key.fault = "skips";
      if (day === 700) key.rotateOnDemand(nowMs);
    };
    expect(tenYears({ desired: SYMMETRIC(365), happens })["rotation-overdue"]?.[0]).toBeLessThanOrEqual(368);
  });

  it("finds a suspended key that isn't rotated when it is back, days after the tenant is", () => {
    const isAway = (day: number) => day >= 800 && day < 1200;
    const found = tenYears({
      desired: SYMMETRIC(365),
      happens: (day, key) => {
        key.state = isAway(day) ? "Disabled" : "Enabled";
        key.fault = day >= 800 ? "stops" : "none";
      },
      declared: (day) => ({
        target: isAway(day) ? "disabled" : "usable",
        tenant:
          day < 1200
            ? {}
            : { suspension: { value: false, generation: 3, eventId: "event-3", atMs: START_MS + 1200 * DAY_MS } },
      }),
    });
    expect(Object.keys(found)).toEqual(["rotation-overdue"]);
    expect(found["rotation-overdue"]?.[0]).toBe(1202);
  });

  it("goes by the last rotation where KMS gives no next date", () => {
    const answer = (days: number) =>
      verifyTenantKey(
        exampleInput({
          description: { createdAtMs: START_MS },
          key: {
            rotation: read({ enabled: true, periodDays: 365 }),
            rotations: read([{ atMs: START_MS + 365 * DAY_MS, type: "AUTOMATIC" }]),
          },
          input: { nowMs: START_MS + days * DAY_MS },
        }),
      ).findings.map(({ ruleId }) => ruleId);
    expect(answer(732)).toEqual([]);
    expect(answer(733)).toEqual(["rotation-overdue"]);
  });

  it("leaves rotation unjudged that wasn't read", () => {
    const { unjudged } = verifyTenantKey(exampleInput({ key: { rotation: SKIPPED, rotations: SKIPPED } }));
    expect(unjudged).toEqual([...ROTATION, "could-not-verify"]);
  });
});
