import { maxJsonBytes } from "../model/body-limits.ts";
import { WireError } from "../model/wire-error.ts";
import type { WireRequest } from "./endpoint.ts";

type Limits = Pick<WireRequest, "maxPayloadBytes" | "maxBodyBytes">;

/** 413, which names every limit: which of them was met depends on how the bytes were sent. */
export function tooLarge(
  what: "Provided payload" | "The JSON body" | "The request body",
  { maxPayloadBytes, maxBodyBytes }: Limits,
  advice?: string,
): WireError {
  const limits = [
    `a payload may have ${maxPayloadBytes} bytes (limits.payloadBytes)`,
    `a JSON body ${maxJsonBytes(maxPayloadBytes)}`,
    `and any other body ${maxBodyBytes} (limits.bodyBytes)`,
  ];
  const end = advice === undefined ? "" : ` ${advice}`;
  return new WireError(413, `${what} is too large: ${limits.join(", ")}.${end}`);
}

/** The same of a JSON body, with what its sender can do. @param schema as in messages: "Secret", "Container" … */
export function jsonTooLarge(schema: string, limits: Limits): WireError {
  return tooLarge("The JSON body", limits, advice.get(schema) ?? `${unescaped}.`);
}

/** A client that escapes what is not ASCII sends up to six bytes for two. */
const unescaped = "Send text as UTF-8 without \\u escapes";

const advice: ReadonlyMap<string, string> = new Map([
  ["Secret", `${unescaped}, or the payload by PUT.`],
  [
    "Container",
    "Name secrets by their ids, or add the rest to the generic container by POST to its /secrets.",
  ],
  ["SecretMetadata", "Add keys one by one, by POST."],
]);
