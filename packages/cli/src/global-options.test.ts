import { expect, test } from "vitest";
import { globalOptions } from "./global-options.ts";
import { UsageError } from "./usage-error.ts";

const environment = {
  TENANTKEYS_STAGE: "staging",
  AWS_REGION: "eu-west-1",
  AWS_DEFAULT_REGION: "us-east-1",
  AWS_ENDPOINT_URL: "http://127.0.0.1:4566",
};

test("the environment fills in what no option says", () => {
  expect(globalOptions({}, environment)).toEqual({
    stage: "staging",
    region: "eu-west-1",
    endpoint: "http://127.0.0.1:4566",
    json: false,
    progress: false,
  });
});

test("an option wins over the environment", () => {
  const flags = { stage: "production", region: "eu-central-1", endpoint: "https://aws.example", json: true };
  expect(globalOptions(flags, environment)).toMatchObject(flags);
});

test("the stage is dev, and a set but empty variable is as good as none", () => {
  const options = globalOptions({}, { TENANTKEYS_STAGE: "", AWS_REGION: "", AWS_DEFAULT_REGION: "us-east-1" });
  expect(options).toMatchObject({ stage: "dev", region: "us-east-1", endpoint: undefined });
});

test.each([
  ["no Region", {}, {}, /expected --region/],
  ["a stage with a hyphen", { stage: "dev-a" }, environment, /--stage: .*expected 1 to 20 of a-z and 0-9/],
  ["a stage of the environment", {}, { ...environment, TENANTKEYS_STAGE: "Dev" }, /--stage: .*expected/],
  ["a Region that is none", { region: "here" }, environment, /--region: .*such as eu-west-1/],
  ["an endpoint without a scheme", { endpoint: "localhost:4566" }, environment, /expected a URL/],
])("%s is a usage error that says what was expected", (_, flags, given, message) => {
  const act = () => globalOptions(flags, given);
  expect(act).toThrow(UsageError);
  expect(act).toThrow(message);
});
