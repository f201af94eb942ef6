import type { AbsentFeatures } from "../services/absent-features.ts";
import type { Route } from "./route.ts";

/** Secret stores and transport keys: present on the wire, absent here. */
export function absentRoutes(absent: AbsentFeatures): readonly Route[] {
  return [
    {
      path: "/v1/secret-stores",
      handlers: { GET: (call) => absent.secretStore(call.principal, "secretstores:get") },
    },
    {
      path: "/v1/secret-stores/global-default",
      handlers: {
        GET: (call) => absent.secretStore(call.principal, "secretstores:get_global_default"),
      },
    },
    {
      path: "/v1/secret-stores/preferred",
      handlers: { GET: (call) => absent.secretStore(call.principal, "secretstores:get_preferred") },
    },
    {
      path: "/v1/secret-stores/:id",
      handlers: { GET: (call) => absent.secretStore(call.principal, "secretstore:get") },
    },
    {
      path: "/v1/secret-stores/:id/preferred",
      handlers: {
        POST: (call) => absent.secretStore(call.principal, "secretstore_preferred:post"),
        DELETE: (call) => absent.secretStore(call.principal, "secretstore_preferred:delete"),
      },
    },
    {
      path: "/v1/transport_keys",
      handlers: {
        GET: async (call) => {
          const keys = await absent.transportKeys(call.principal);
          return { status: 200, json: { transport_keys: keys, total: keys.length } };
        },
        POST: (call) => absent.addTransportKey(call.principal),
      },
    },
    {
      path: "/v1/transport_keys/:id",
      handlers: {
        GET: (call) => absent.transportKey(call.principal, "transport_key:get"),
        DELETE: (call) => absent.transportKey(call.principal, "transport_key:delete"),
      },
    },
  ];
}
