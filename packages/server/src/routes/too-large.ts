import { maxJsonBytes } from "../model/body-limits.ts";
import { WireError } from "../model/wire-error.ts";
import type { Call } from "./route.ts";

/** 413, which names every limit: which of them was met depends on how the bytes were sent. */
export function tooLarge(
  what: "Provided payload" | "The JSON body" | "The request body",
  { maxPayloadBytes, maxBodyBytes }: Pick<Call, "maxPayloadBytes" | "maxBodyBytes">,
): WireError {
  const limits = [
    `a payload may have ${maxPayloadBytes} bytes (limits.payloadBytes)`,
    `a JSON body ${maxJsonBytes(maxPayloadBytes)}`,
    `and any other body ${maxBodyBytes} (limits.bodyBytes)`,
  ];
  // A client that escapes what is not ASCII sends up to six bytes for two.
  const advice =
    what === "The JSON body"
      ? " Send text as UTF-8 without \\u escapes, or the payload by PUT."
      : "";
  return new WireError(413, `${what} is too large: ${limits.join(", ")}.${advice}`);
}
