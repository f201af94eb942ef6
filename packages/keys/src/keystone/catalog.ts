import { arrayField, asObject, optionalText, textField } from "../http/document.ts";
import { KeyManagerError } from "../model/errors.ts";

/** One address of one service. */
export interface CatalogEndpoint {
  readonly serviceType: string;
  readonly interface: string;
  readonly region: string | undefined;
  readonly url: string;
}

/** Every endpoint that an identity token lists. */
export type Catalog = readonly CatalogEndpoint[];

/** Which of a service's addresses in Keystone's catalog is meant. */
export type EndpointInterface = "public" | "internal" | "admin";

/** https://docs.openstack.org/api-ref/identity/v3/#get-service-catalog */
export function catalogOf(what: string, services: unknown): Catalog {
  return arrayField(what, { catalog: services }, "catalog").flatMap((entry) => {
    const service = asObject(what, "a service of the catalog", entry);
    return arrayField(what, service, "endpoints").map((item) => {
      const endpoint = asObject(what, "an endpoint of the catalog", item);
      return {
        serviceType: textField(what, service, "type"),
        interface: textField(what, endpoint, "interface"),
        region: optionalText(what, endpoint, "region_id") ?? optionalText(what, endpoint, "region"),
        url: textField(what, endpoint, "url"),
      };
    });
  });
}

/**
 * The endpoint of a service.
 *
 * @throws `invalid_argument` that lists what the catalog has, if it has no such endpoint.
 */
export function findEndpoint(
  catalog: Catalog,
  wanted: {
    readonly serviceType: string;
    readonly interface: EndpointInterface;
    readonly region: string | undefined;
  },
): URL {
  const ofService = catalog.filter((endpoint) => endpoint.serviceType === wanted.serviceType);
  const match = ofService.find(
    (endpoint) =>
      endpoint.interface === wanted.interface &&
      (wanted.region === undefined || endpoint.region === wanted.region),
  );
  if (match !== undefined && URL.canParse(match.url)) return new URL(match.url);
  const asked = `${wanted.interface} endpoint of "${wanted.serviceType}"${
    wanted.region === undefined ? "" : ` in region "${wanted.region}"`
  }`;
  const has =
    ofService.length === 0
      ? `it has no service of that type`
      : `it has ${ofService.map((endpoint) => `${endpoint.interface} in ${endpoint.region ?? "no region"}`).join(", ")}`;
  throw new KeyManagerError(
    "invalid_argument",
    `catalog: no ${asked}: ${has}; choose another region or interface, or give the endpoint itself`,
  );
}
