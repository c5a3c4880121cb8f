/** docs/settings.md names every stage setting with the default and the limits that the schema has. */
import { parseStageSettings, TenantKeysError } from "@tenantkeys/core";
import { describe, expect, it } from "vitest";
import { read, tableRows } from "./markdown.ts";

const REQUIRED = { stage: "dev", applicationRoleArns: ["arn:aws:iam::111122223333:role/notes-api"] };
const settings: Readonly<Record<string, unknown>> = { ...parseStageSettings(REQUIRED) };

const defaultProfile: Readonly<Record<string, unknown>> = { ...parseStageSettings(REQUIRED).profiles.default };

const page = read("docs/settings.md");
const between = (start: string, end: string) => page.slice(page.indexOf(start), page.indexOf(end));
const settingRows = tableRows(between("## Settings", "## Key profiles"));
const profileRows = tableRows(between("## Key profiles", "## What a profile lets a tenant do"));
const uncoded = (cell = "") => cell.replace(/^`|`$/g, "");

const isAccepted = (input: Record<string, unknown>): boolean => {
  try {
    parseStageSettings({ ...REQUIRED, ...input });
    return true;
  } catch (error) {
    if (error instanceof TenantKeysError && error.code === "settings_invalid") return false;
    throw error;
  }
};

/** The two numbers of limits such as "0.1 to 1000", or undefined for limits of another kind. */
function range(limits = ""): readonly [number, number] | undefined {
  const match = /^([\d.]+) to ([\d.]+)$/.exec(limits);
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}

it("names exactly the settings of a stage and of a key profile, in the order of the schema", () => {
  expect(settingRows.map(([name]) => uncoded(name))).toEqual(Object.keys(settings));
  expect(profileRows.map(([name]) => uncoded(name))).toEqual(Object.keys(defaultProfile));
});

describe("the defaults", () => {
  const rows = settingRows.filter(([, value]) => value?.startsWith("`"));
  const ofProfile = profileRows.filter(([, value]) => value?.startsWith("`"));

  it("are written for all but the required settings and one long list", () => {
    const others = settingRows.filter((row) => !rows.includes(row)).map(([name]) => uncoded(name));
    expect(others).toEqual([...Object.keys(REQUIRED), "tenantDataActions"]);
    const without = profileRows.filter((row) => !ofProfile.includes(row)).map(([name]) => uncoded(name));
    expect(without).toEqual(["customKeyStoreId", "usesPerMinuteMax"]);
  });

  it.each(rows)("of %s is %s", (name, value) => {
    const asWritten = parseStageSettings({ ...REQUIRED, [uncoded(name)]: JSON.parse(uncoded(value)) });
    expect(asWritten).toEqual(settings);
  });

  it.each(ofProfile)("of a profile's %s is %s", (name, value) => {
    expect(JSON.parse(uncoded(value))).toEqual(defaultProfile[uncoded(name)]);
  });

  it("of tenantDataActions is the list of its section", () => {
    const list = /## tenantDataActions.*?```json\n(.*?)```/s.exec(page)?.[1] ?? "";
    expect(JSON.parse(list)).toEqual(settings.tenantDataActions);
  });
});

describe("the limits", () => {
  const top = settingRows.map(([name, , limits]) => ({ name: uncoded(name), limits: range(limits) }));
  const profile = profileRows.map(([name, , limits]) => ({ name: uncoded(name), limits: range(limits) }));
  const cases = [
    ...top.map(({ name, limits }) => ({ name, limits, put: (value: number) => ({ [name]: value }) })),
    ...profile.map(({ name, limits }) => {
      return { name, limits, put: (value: number) => ({ profiles: { default: { [name]: value } } }) };
    }),
  ].flatMap(({ name, limits, put }) => (limits === undefined ? [] : [{ name, limits, put }]));

  it("are a range for every number but one that has a list", () => {
    const numbers = [settings, defaultProfile].flatMap(Object.values).filter((value) => typeof value === "number");
    // One has a list of values instead, and one of a profile has limits and no default.
    expect(cases).toHaveLength(numbers.length);
  });

  it.each(cases)("of $name are $limits", ({ limits: [minimum, maximum], put }) => {
    const step = Number.isInteger(minimum) ? 1 : 0.01;
    expect([minimum, maximum].map((value) => isAccepted(put(value)))).toEqual([true, true]);
    expect([minimum - step, maximum + step].map((value) => isAccepted(put(value)))).toEqual([false, false]);
  });

  it("of logRetentionDays are the values listed", () => {
    const listed = /one of ([\d, ]+)/.exec(settingRows.find(([name]) => name === "`logRetentionDays`")?.[2] ?? "");
    const values = new Set((listed?.[1] ?? "").split(", ").map(Number));
    const accepted = Array.from({ length: 4_000 }, (_, days) => days).filter((logRetentionDays) =>
      isAccepted({ logRetentionDays }),
    );
    expect(accepted).toEqual([...values]);
  });
});
