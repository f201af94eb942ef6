import { issueSeen, WireError } from "../model/wire-error.ts";
import { notFound } from "./not-found.ts";
import type { Permit } from "./permit.ts";

/** Resources of Barbican that this server does not have: it has one store, and no transport keys. */
export class AbsentFeatures {
  /** @throws WireError 404, always */
  secretStore(_permit: Permit): never {
    throw new WireError(404, "Not Found. Multiple secret stores are not enabled here.");
  }

  /** An empty list. */
  transportKeys(_permit: Permit): readonly string[] {
    return [];
  }

  /** @throws WireError 404, always */
  transportKey(_permit: Permit): never {
    throw notFound("Transport Key");
  }

  /** @throws WireError 400, always */
  addTransportKey(_permit: Permit): never {
    throw issueSeen(400, "TransportKey creation", "no store here uses transport keys");
  }
}
