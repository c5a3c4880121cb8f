import { describe, expect, test } from "vitest";
import { completeKeyProfile } from "./key-profile.ts";
import { pastProfiles, profileInForce } from "./profile-in-force.ts";

const PROFILES = {
  easy: completeKeyProfile({ deletionWindowDays: 7, watchPeriodDays: 0 }),
  strict: completeKeyProfile({ deletionWindowDays: 30, watchPeriodDays: 90, approvalRequired: true }),
  middle: completeKeyProfile({ deletionWindowDays: 14, watchPeriodDays: 120, rotationPeriodDays: 90 }),
};

describe("the profile in force", () => {
  test("is the record's own where it never had another", () => {
    expect(profileInForce(PROFILES, { profile: "easy" })).toEqual(PROFILES.easy);
  });

  test("ends as strictly as any that the key had, and is otherwise the newest", () => {
    const pastProfiles = ["strict", "middle"];
    expect(profileInForce(PROFILES, { profile: "easy", pastProfiles })).toEqual({
      ...PROFILES.easy,
      deletionWindowDays: 30,
      watchPeriodDays: 120,
      approvalRequired: true,
    });
  });

  test("forgets a profile that the stage has no more, and is none where the stage lacks the record's own", () => {
    expect(profileInForce(PROFILES, { profile: "easy", pastProfiles: ["gone"] })).toEqual(PROFILES.easy);
    expect(profileInForce(PROFILES, { profile: "constructor" })).toBeUndefined();
  });
});

test("past profiles are kept once each, without the one that comes next and without unknown ones", () => {
  expect(pastProfiles(PROFILES, { profile: "easy" }, "easy")).toBeUndefined();
  expect(pastProfiles(PROFILES, { profile: "easy", pastProfiles: ["strict", "middle"] }, "strict")).toEqual([
    "middle",
    "easy",
  ]);
  expect(pastProfiles(PROFILES, { profile: "toString" }, "easy")).toBeUndefined();
});
