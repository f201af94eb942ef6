import { actionsOn, type KeyManagerEndpoint } from "./api.ts";
import { maxMinorVersion } from "./microversion.ts";
import type { Refs } from "./refs.ts";

/** The document of API 1: one shape at 1.0, another after. */
export function versionDocument(refs: Refs, minorVersion: number): object {
  const self = { rel: "self", href: refs.to("") };
  if (minorVersion > 0)
    return {
      id: "v1",
      status: "CURRENT",
      min_version: "1.0",
      max_version: `1.${maxMinorVersion}`,
      links: [self],
    };
  return {
    id: "v1",
    status: "stable",
    links: [self, { rel: "describedby", type: "text/html", href: "https://docs.openstack.org/" }],
    "media-types": [
      { base: "application/json", type: "application/vnd.openstack.key-manager-v1+json" },
    ],
  };
}

export function versionRoutes(): readonly KeyManagerEndpoint[] {
  return [
    {
      path: "/v1",
      target: "none",
      methods: {
        GET: actionsOn("none")({
          rule: null,
          noun: "Version retrieval",
          audit: "refusals",
          run: ({ request: { refs, minorVersion } }) => ({
            status: 200,
            json: { version: versionDocument(refs, minorVersion) },
          }),
        }),
      },
    },
  ];
}
