import type { Principal } from "../model/principal.ts";
import { WireError } from "../model/wire-error.ts";
import type { PolicyRule } from "../policy/rule-names.ts";
import { authorise, type ServiceContext } from "./context.ts";

/** Resources of Barbican that this server has none of: it has one store, and no transport keys. Rights are asked for first. */
export class AbsentFeatures {
  readonly #context: ServiceContext;

  constructor(context: ServiceContext) {
    this.#context = context;
  }

  /** @throws WireError 403, or else 404, always */
  async secretStore(principal: Principal, rule: PolicyRule): Promise<never> {
    await authorise(this.#context, principal, rule, "Secret store access");
    throw new WireError(404, "Not Found. Multiple secret stores are not enabled here.");
  }

  /** There are none to list. @throws WireError 403 */
  async transportKeys(principal: Principal): Promise<readonly string[]> {
    await authorise(this.#context, principal, "transport_keys:get", "TransportKeys retrieval");
    return [];
  }

  /** @throws WireError 403, or else 404, always */
  async transportKey(
    principal: Principal,
    rule: "transport_key:get" | "transport_key:delete",
  ): Promise<never> {
    await authorise(this.#context, principal, rule, "TransportKey access");
    throw new WireError(404, "Not Found. Transport Key not found.");
  }

  /** @throws WireError 403, or else 400, always */
  async addTransportKey(principal: Principal): Promise<never> {
    await authorise(this.#context, principal, "transport_keys:post", "TransportKey creation");
    throw new WireError(
      400,
      "TransportKey creation issue seen - no store here uses transport keys.",
    );
  }
}
