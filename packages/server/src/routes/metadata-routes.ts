import { WireError } from "../model/wire-error.ts";
import type { MetadataService, Metadatum } from "../services/metadata.ts";
import { type ApiRequest, actionsOn, json, type KeyManagerEndpoint } from "./api.ts";
import { Fields, jsonObject } from "./body.ts";

/** User metadata of secrets. */
export function metadataRoutes(metadata: MetadataService): readonly KeyManagerEndpoint[] {
  return [
    {
      path: "/v1/secrets/:id/metadata",
      target: "secret",
      methods: {
        GET: actionsOn("secret")({
          rule: "secret_meta:get",
          noun: "Secret metadata retrieval",
          audit: "refusals",
          run: async ({ permit, target }) => {
            const all = await metadata.all(permit, target.id);
            const pairs = all.map(({ key, value }) => [key, value] as const);
            return { status: 200, json: { metadata: Object.fromEntries(pairs) } };
          },
        }),
        PUT: actionsOn("secret")({
          rule: "secret_meta:put",
          noun: "Secret metadata creation",
          audit: "write",
          accepts: json,
          parse: (request) => parseMetadata(request),
          run: async ({ request, permit, target, input }) => {
            await metadata.replace(permit, target.id, input);
            const ref = `${request.refs.secret(target.id)}/metadata`;
            return { status: 201, json: { metadata_ref: ref } };
          },
        }),
        POST: actionsOn("secret")({
          rule: "secret_meta:post",
          noun: "Secret metadatum creation",
          audit: "write",
          accepts: json,
          parse: (request) => parseMetadatum(request),
          run: async ({ request, permit, target, input }) => {
            await metadata.add(permit, target.id, input);
            const location = `${request.refs.secret(target.id)}/metadata/${input.key}`;
            return { status: 201, headers: { location }, json: input };
          },
        }),
      },
    },
    {
      path: "/v1/secrets/:id/metadata/:key",
      target: "secret",
      withoutAllow: true,
      methods: {
        GET: actionsOn("secret")({
          rule: "secret_meta:get",
          noun: "Secret metadatum retrieval",
          audit: "refusals",
          run: async ({ request, permit, target }) => {
            const { key, value } = await metadata.one(permit, target.id, keyOf(request));
            return { status: 200, json: { key, value } };
          },
        }),
        PUT: actionsOn("secret")({
          rule: "secret_meta:put",
          noun: "Secret metadatum update",
          audit: "write",
          accepts: json,
          parse: (request) => parseMetadatum(request),
          run: async ({ request, permit, target, input }) => {
            await metadata.update(permit, target.id, keyOf(request), input);
            return { status: 200, json: input };
          },
        }),
        DELETE: actionsOn("secret")({
          rule: "secret_meta:delete",
          noun: "Secret metadatum deletion",
          audit: "write",
          run: async ({ request, permit, target }) => {
            await metadata.remove(permit, target.id, keyOf(request));
            return { status: 204 };
          },
        }),
      },
    },
  ];
}

/** `{"metadata": {key: value}}`; other members are ignored. */
function parseMetadata(request: ApiRequest): readonly Metadatum[] {
  const fields = new Fields(jsonObject(request, "SecretMetadata"), "SecretMetadata");
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
function parseMetadatum(request: ApiRequest): Metadatum {
  const fields = new Fields(jsonObject(request, "SecretMetadatum"), "SecretMetadatum");
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

function keyOf({ params }: ApiRequest): string {
  return params["key"] ?? "";
}
