import type { PolicyRule } from "../policy/rule-names.ts";
import type { AbsentFeatures } from "../services/absent-features.ts";
import { actionsOn, type KeyManagerEndpoint } from "./api.ts";

/** Secret stores and transport keys: present on the wire, absent here. */
export function absentRoutes(absent: AbsentFeatures): readonly KeyManagerEndpoint[] {
  const on = actionsOn("none");
  const secretStore = (rule: PolicyRule) =>
    on({
      rule,
      noun: "Secret store access",
      audit: "refusals",
      run: ({ permit }) => absent.secretStore(permit),
    });
  const transportKey = (rule: PolicyRule) =>
    on({
      rule,
      noun: "TransportKey access",
      audit: "refusals",
      run: ({ permit }) => absent.transportKey(permit),
    });
  return [
    {
      path: "/v1/secret-stores",
      target: "none",
      methods: { GET: secretStore("secretstores:get") },
    },
    {
      path: "/v1/secret-stores/global-default",
      target: "none",
      methods: { GET: secretStore("secretstores:get_global_default") },
    },
    {
      path: "/v1/secret-stores/preferred",
      target: "none",
      methods: { GET: secretStore("secretstores:get_preferred") },
    },
    {
      path: "/v1/secret-stores/:id",
      target: "none",
      methods: { GET: secretStore("secretstore:get") },
    },
    {
      path: "/v1/secret-stores/:id/preferred",
      target: "none",
      methods: {
        POST: secretStore("secretstore_preferred:post"),
        DELETE: secretStore("secretstore_preferred:delete"),
      },
    },
    {
      path: "/v1/transport_keys",
      target: "none",
      methods: {
        GET: on({
          rule: "transport_keys:get",
          noun: "TransportKeys retrieval",
          audit: "refusals",
          run: ({ permit }) => {
            const keys = absent.transportKeys(permit);
            return { status: 200, json: { transport_keys: keys, total: keys.length } };
          },
        }),
        POST: on({
          rule: "transport_keys:post",
          noun: "TransportKey creation",
          audit: "refusals",
          run: ({ permit }) => absent.addTransportKey(permit),
        }),
      },
    },
    {
      path: "/v1/transport_keys/:id",
      target: "none",
      methods: {
        GET: transportKey("transport_key:get"),
        DELETE: transportKey("transport_key:delete"),
      },
    },
  ];
}
