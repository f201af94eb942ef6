import { WireError } from "../model/wire-error.ts";
import { mediaType } from "../routes/body.ts";
import type {
  Action,
  ApiTypes,
  ContentTypes,
  Endpoint,
  Gate,
  Method,
  Reply,
} from "../routes/endpoint.ts";
import { acceptsJson } from "../routes/negotiation.ts";

/** Answers one request. Throws, or rejects with, what the caller is to be told. */
export type Dispatch<A extends ApiTypes> = (
  method: string,
  request: A["request"],
  caller: A["caller"],
) => Promise<Reply>;

/**
 * Makes the dispatcher of one endpoint. It alone decides the order of refusals: Accept (406), unknown object (404), method
 * (405), policy (403), content type (415), body and query (400, 413), then what the action itself refuses.
 */
export function dispatcher<A extends ApiTypes>(endpoint: Endpoint<A>, gate: Gate<A>): Dispatch<A> {
  const allow = Object.keys(endpoint.methods).toSorted().join(", ");
  return async (method, request, caller) => {
    const { accept } = request.headers;
    if (method === "GET" && !endpoint.negotiates && !acceptsJson(accept as string | undefined))
      throw new WireError(406, null);
    const action = endpoint.methods[method as Method];
    if (!action) {
      await gate.load(endpoint.target, request, caller);
      throw new WireError(405, "", endpoint.withoutAllow ? {} : { allow });
    }
    const load = <Kind extends keyof A["targets"]>(kind: Kind) => gate.load(kind, request, caller);
    const reply = action.choose
      ? await action.choose(request, {
          load,
          perform: (chosen, target) => perform(gate, chosen, request, caller, target),
        })
      : await perform(gate, action, request, caller, await load(action.target));
    if (!reply) throw new WireError(406, "The payload cannot be sent in a form that Accept names.");
    return reply;
  };
}

/** Takes all steps of an action from the policy on. */
async function perform<A extends ApiTypes, Kind extends keyof A["targets"]>(
  gate: Gate<A>,
  action: Action<A, Kind>,
  request: A["request"],
  caller: A["caller"],
  target: A["targets"][Kind],
): Promise<Reply | undefined> {
  const permit = await gate.permit(action, caller, target);
  if (action.accepts) refuseContentType(action.accepts, request.headers["content-type"]);
  const input = action.parse?.(request, target);
  const reply = await action.run({ request, permit, target, input });
  if (reply && action.audit === "read") await gate.record(permit);
  return reply;
}

function refuseContentType(
  { types, advice }: ContentTypes,
  header: string | readonly string[] | undefined,
): void {
  if (!types.includes(mediaType(header)))
    throw new WireError(415, `Content type is not supported: send ${advice}.`);
}
