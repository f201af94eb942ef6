import type { HttpClient } from "../../http/client.ts";
import { asObject, type Document, jsonObject, optionalText } from "../../http/document.ts";
import { KeyManagerError } from "../../model/errors.ts";
import type { Microversion } from "./options.ts";
import { refusal } from "./refusal.ts";

/**
 * The newest microversion that both the server and this client speak. A server
 * from before microversions counts as 1.0.
 *
 * https://docs.openstack.org/barbican/latest/api/microversions.html
 */
export async function discoverMicroversion(http: HttpClient, base: string): Promise<Microversion> {
  const what = `GET ${base}/`;
  const response = await http.call(
    {
      what,
      method: "GET",
      url: new URL(`${base}/`),
      headers: { accept: "application/json", "openstack-api-version": "key-manager 1.1" },
      expect: [200, 300, 406],
      repeatable: true,
    },
    (unexpected) => refusal(what, unexpected, { carriedSecret: false, tokens: [] }),
  );
  if (response.status === 406) return "1.0";
  const { versions } = jsonObject(what, response);
  if (!Array.isArray(versions)) {
    if (Array.isArray((versions as Document | undefined)?.["values"])) return "1.0";
    throw new KeyManagerError(
      "bad_response",
      `${what}: the answer lists no API versions: is this Barbican?`,
    );
  }
  const v1 = versions
    .map((version) => asObject(what, "a version", version))
    .find(({ id }) => id === "v1");
  if (v1 === undefined) {
    throw new KeyManagerError("unsupported", `${what}: the server has no version v1 of the API`);
  }
  const minor = /^1\.(\d+)$/.exec(optionalText(what, v1, "max_version") ?? "")?.[1] ?? "0";
  return Number(minor) >= 2 ? "1.2" : minor === "1" ? "1.1" : "1.0";
}
