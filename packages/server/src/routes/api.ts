import type { Principal } from "../model/principal.ts";
import type { PolicyRule } from "../policy/rule-names.ts";
import type { Permit } from "../services/permit.ts";
import type { Targets } from "../services/targets.ts";
import type { Action, ContentTypes, Endpoint, WireRequest } from "./endpoint.ts";
import type { Refs } from "./refs.ts";

/** One request to the key manager. */
export interface ApiRequest extends WireRequest {
  /** Minor version the client asked for: 0, 1 or 2. */
  readonly minorVersion: number;
  readonly refs: Refs;
}

/** The types of the key manager's interface. */
export interface KeyManagerApi {
  readonly request: ApiRequest;
  readonly caller: Principal;
  readonly rule: PolicyRule;
  readonly targets: Targets;
  readonly permit: Permit;
}

export type KeyManagerEndpoint = Endpoint<KeyManagerApi>;

/** Declares actions on one kind of target, so that `parse` and `run` have its type and each other's. */
export function actionsOn<Kind extends keyof Targets>(
  target: Kind,
): <Input>(
  action: Omit<Action<KeyManagerApi, Kind, Input>, "target">,
) => Action<KeyManagerApi, Kind> {
  return (action) => ({ ...action, target });
}

/** What most bodies are. */
export const json: ContentTypes = { types: ["application/json"], advice: "application/json" };
