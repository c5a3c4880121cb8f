/** The parts that the schemas of the settings share. */
import * as z from "zod/mini";
import { ROLE_ARN_PATTERN } from "./ids.ts";

export const wholeNumber = (minimum: number, maximum: number) => z.int().check(z.minimum(minimum), z.maximum(maximum));

/** 613 characters: a path of 512 and a name of 64 in the longest partition, `aws-us-gov`. */
export const roleArn = z
  .string()
  .check(
    z.regex(ROLE_ARN_PATTERN, "expected the ARN of an IAM role"),
    z.maxLength(613, "expected at most 613 characters"),
  );

/** IAM and KMS store what is named twice once, so the document read back would differ from ours for ever. */
export const noneTwice = z.refine<string[]>((values) => new Set(values).size === values.length, "expected none twice");
