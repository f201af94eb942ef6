import { WireError } from "../model/wire-error.ts";

/** 404. @param what as messages name it */
export function notFound(
  what:
    | "Secret"
    | "Secrets container"
    | "Order"
    | "Consumer"
    | "Secret metadatum"
    | "Transport Key",
): WireError {
  return new WireError(404, `Not Found. ${what} not found.`);
}
