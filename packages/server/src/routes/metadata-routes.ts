import { WireError } from "../model/wire-error.ts";
import type { MetadataService, Metadatum } from "../services/metadata.ts";
import type { SecretService } from "../services/secrets.ts";
import { Fields, jsonBody } from "./body.ts";
import type { Call, Route } from "./route.ts";

/** User metadata of secrets. */
export function metadataRoutes(
  metadata: MetadataService,
  secrets: SecretService,
): readonly Route[] {
  const exists = (call: Call) => secrets.find(idOf(call));
  return [
    {
      path: "/v1/secrets/:id/metadata",
      exists,
      handlers: {
        GET: async (call) => {
          const all = await metadata.all(call.principal, idOf(call));
          const pairs = all.map(({ key, value }) => [key, value] as const);
          return { status: 200, json: { metadata: Object.fromEntries(pairs) } };
        },
        PUT: async (call) => {
          await metadata.replace(call.principal, idOf(call), () => parseMetadata(call));
          const ref = `${call.refs.secret(idOf(call))}/metadata`;
          return { status: 201, json: { metadata_ref: ref } };
        },
        POST: async (call) => {
          const made = await metadata.add(call.principal, idOf(call), () => parseMetadatum(call));
          const location = `${call.refs.secret(idOf(call))}/metadata/${made.key}`;
          return { status: 201, headers: { location }, json: made };
        },
      },
    },
    {
      path: "/v1/secrets/:id/metadata/:key",
      exists,
      withoutAllow: true,
      handlers: {
        GET: async (call) => {
          const found = await metadata.one(call.principal, idOf(call), keyOf(call));
          return { status: 200, json: { key: found.key, value: found.value } };
        },
        PUT: async (call) => ({
          status: 200,
          json: await metadata.update(call.principal, idOf(call), keyOf(call), () =>
            parseMetadatum(call),
          ),
        }),
        DELETE: async (call) => {
          await metadata.remove(call.principal, idOf(call), keyOf(call));
          return { status: 204 };
        },
      },
    },
  ];
}

/** `{"metadata": {key: value}}`; other members are ignored. */
function parseMetadata(call: Call): readonly Metadatum[] {
  const fields = new Fields(jsonBody(call, "SecretMetadata"), "SecretMetadata");
  const metadata = fields.raw("metadata");
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata))
    throw fields.error("metadata is not of type 'object'", "metadata");
  return Object.entries(metadata).map(([key, value]) => {
    if (typeof value !== "string")
      throw fields.error("a value is not of type 'string'", "metadata");
    return checked({ key, value });
  });
}

/** `{"key": …, "value": …}` and nothing else. */
function parseMetadatum(call: Call): Metadatum {
  const fields = new Fields(jsonBody(call, "SecretMetadatum"), "SecretMetadatum");
  fields.only(["key", "value"]);
  return checked({ key: fields.requiredText("key"), value: fields.requiredText("value") });
}

function checked({ key, value }: Metadatum): Metadatum {
  if (!/^[A-Za-z0-9_-]{1,255}$/.test(key))
    throw new WireError(
      400,
      "Invalid metadata: a key has letters, digits, - and _ only, up to 255.",
    );
  if (Array.from(value).length > 255 || value.includes("\0"))
    throw new WireError(400, "Invalid metadata: a value is a text of up to 255 characters.");
  return { key: key.toLowerCase(), value };
}

function idOf(call: Call): string {
  return call.params["id"] ?? "";
}

function keyOf(call: Call): string {
  return call.params["key"] ?? "";
}
