import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { catalogOf, findEndpoint } from "../../src/keystone/catalog.ts";
import { refuses } from "../refuses.ts";

const endpoint = (which: string, region: string | null, url: string) => ({
  interface: which,
  region_id: region,
  region,
  url,
});
const catalog = catalogOf("x", [
  { type: "identity", endpoints: [endpoint("public", "one", "http://k")] },
  {
    type: "key-manager",
    endpoints: [
      endpoint("internal", "one", "http://internal"),
      endpoint("public", "two", "http://two"),
      endpoint("public", "one", "http://one:9311"),
      endpoint("admin", null, "not a url"),
    ],
  },
]);
const wanted = { serviceType: "key-manager", interface: "public", region: undefined } as const;

describe("the catalog", () => {
  it("gives the first endpoint of the interface, in the region if one is named", () => {
    assert.equal(findEndpoint(catalog, wanted).href, "http://two/");
    assert.equal(findEndpoint(catalog, { ...wanted, region: "one" }).href, "http://one:9311/");
    assert.equal(
      findEndpoint(catalog, { ...wanted, interface: "internal" }).href,
      "http://internal/",
    );
  });

  it("says what it has when it lacks what is wanted", async () => {
    await refuses(
      () => findEndpoint(catalog, { ...wanted, region: "three" }),
      "invalid_argument",
      /no public endpoint of "key-manager" in region "three": it has internal in one, public in two, public in one, admin in no region; choose another region or interface, or give the endpoint itself/,
    );
    await refuses(
      () => findEndpoint(catalog, { ...wanted, serviceType: "volume" }),
      "invalid_argument",
      /it has no service of that type/,
    );
    await refuses(
      () => findEndpoint(catalog, { ...wanted, interface: "admin" }),
      "invalid_argument",
      /catalog: no admin/,
    );
  });

  it("must be a list of services", async () => {
    for (const services of [{}, "x", [null], [{ type: "x" }], [{ type: "x", endpoints: [{}] }]]) {
      await refuses(() => catalogOf("x", services), "bad_response", /x: /);
    }
  });
});
