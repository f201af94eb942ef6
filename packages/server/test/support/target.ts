import assert from "node:assert/strict";
import {
  MalformedTarget,
  parseRequestTarget,
  type RequestTarget,
} from "../../src/model/request-target.ts";

/** The target of a request that is no error. */
export function targetFor(text: string, method = "GET"): RequestTarget {
  const target = parseRequestTarget(text, method);
  if (target instanceof MalformedTarget) assert.fail(`${text}: ${target.reason}`);
  return target;
}
