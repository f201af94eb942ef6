import { issueSeen } from "../model/wire-error.ts";
import {
  payloadExists,
  type SecretConsumer,
  type SecretRow,
  type SecretService,
} from "../services/secrets.ts";
import { Accept } from "./accept.ts";
import { type ApiRequest, actionsOn, json, type KeyManagerEndpoint } from "./api.ts";
import type { Reply } from "./endpoint.ts";
import {
  documentQuality,
  isTextInAnotherCase,
  negotiatePayload,
  prefersDocument,
} from "./negotiation.ts";
import { pageLinks, pageParameters, parseBoolean, parsePage } from "./query.ts";
import type { Refs } from "./refs.ts";
import { parseNewSecret, parsePutPayload, putPayloadTypes } from "./secret-body.ts";
import { parseSecretQuery } from "./secret-query.ts";

/** Secrets and their payloads. */
export function secretRoutes(
  secrets: SecretService,
  now: () => string,
): readonly KeyManagerEndpoint[] {
  const document = actionsOn("secret")({
    rule: "secret:get",
    noun: "Secret retrieval",
    audit: "refusals",
    parse: (request) => refuseTransportKey(request),
    run: async ({ request, permit, target }) => {
      const consumers =
        request.minorVersion >= 1 ? await secrets.consumers(permit, target.id) : undefined;
      return { status: 200, json: secretDocument(target, request.refs, consumers) };
    },
  });

  /** @param floor no reply if the client wants no type that the payload can be sent as more than this */
  const payloadAbove = (floor: number) =>
    actionsOn("payload")({
      rule: "secret:decrypt",
      noun: "Secret payload retrieval",
      audit: "read",
      run: async ({ request, permit, target }): Promise<Reply | undefined> => {
        const stored = await secrets.payload(permit, target);
        const accept = acceptOf(request);
        if (request.query.get("trans_wrapped_session_key") !== undefined)
          throw issueSeen(400, "Secret payload retrieval", "this server has no transport keys");
        if (isTextInAnotherCase(accept))
          throw issueSeen(400, "Secret payload retrieval", "the content type is not supported");
        const contentType = negotiatePayload(accept, stored, floor);
        if (contentType === undefined) return undefined;
        return { status: 200, headers: { "content-type": contentType }, bytes: stored.bytes };
      },
    });
  const payload = payloadAbove(0);

  return [
    {
      path: "/v1/secrets",
      target: "none",
      methods: {
        GET: actionsOn("none")({
          rule: "secrets:get",
          noun: "Secret(s) retrieval",
          audit: "refusals",
          parse: ({ query }) => ({ page: parsePage(query), query: parseSecretQuery(query) }),
          run: async ({ request, permit, input: { page, query } }) => {
            const found = await secrets.list(permit, query, request.minorVersion >= 1);
            const { rows, total, offset, consumers } = found;
            const others = request.query.except(pageParameters);
            const url = request.refs.to("secrets");
            return {
              status: 200,
              json: {
                secrets: rows.map((row) =>
                  secretDocument(row, request.refs, consumers && (consumers.get(row.id) ?? [])),
                ),
                ...pageLinks(url, { ...page, offset }, rows.length, total, others),
              },
            };
          },
        }),
        POST: actionsOn("none")({
          rule: "secrets:post",
          noun: "Secret creation",
          audit: "write",
          accepts: json,
          parse: (request) => parseNewSecret(request, now()),
          run: async ({ request, permit, input }) => {
            const ref = request.refs.secret(await secrets.create(permit, input));
            return { status: 201, headers: { location: ref }, json: { secret_ref: ref } };
          },
        }),
      },
    },
    {
      path: "/v1/secrets/:id",
      target: "secret",
      negotiates: true,
      methods: {
        GET: {
          ...document,
          // The document, unless the client wants a type of payloads more: then the payload, as old clients ask for it.
          // If the secret cannot be sent in such a type, the document is the next best.
          choose: async (request, steps) => {
            const accept = acceptOf(request);
            if (prefersDocument(accept)) return steps.perform(document, await steps.load("secret"));
            const floor = documentQuality(Accept.parse(accept));
            if (floor === 0) return steps.perform(payload, await steps.load("payload"));
            const secret = await steps.load("secret");
            const sent =
              secret.content_type === null
                ? undefined
                : await steps.perform(payloadAbove(floor), await steps.load("payload"));
            return sent ?? steps.perform(document, secret);
          },
        },
        PUT: actionsOn("secret")({
          rule: "secret:put",
          noun: "Secret update",
          audit: "write",
          accepts: putPayloadTypes,
          parse: (request, secret) => {
            const decode = parsePutPayload(request);
            if (secret.content_type !== null) throw payloadExists();
            return decode();
          },
          run: async ({ permit, target, input }) => {
            await secrets.putPayload(permit, target, input);
            return { status: 204 };
          },
        }),
        DELETE: actionsOn("secret")({
          rule: "secret:delete",
          noun: "Secret deletion",
          audit: "write",
          parse: (request) => parseUnlessConsumed(request),
          run: async ({ permit, target, input }) => {
            await secrets.remove(permit, target.id, input);
            return { status: 204 };
          },
        }),
      },
    },
    {
      path: "/v1/secrets/:id/payload",
      target: "secret",
      negotiates: true,
      withoutAllow: true,
      methods: { GET: payload },
    },
  ];
}

function refuseTransportKey({ query }: ApiRequest): void {
  if (parseBoolean(query.get("transport_key_needed") ?? "") === true)
    throw issueSeen(400, "Secret retrieval", "this server has no transport keys");
}

/** Before microversion 1.2, consumers keep no secret from being deleted. */
function parseUnlessConsumed({ minorVersion, query }: ApiRequest): boolean {
  if (minorVersion < 2) return false;
  const text = query.get("force");
  const force = text === undefined ? false : parseBoolean(text);
  if (force === undefined) throw issueSeen(400, "Secret deletion", "force is not a boolean");
  return !force;
}

/** A secret as the wire has it. Clients splat it into constructors: no member may be added. */
export function secretDocument(
  row: SecretRow,
  refs: Refs,
  consumers: readonly SecretConsumer[] | undefined,
): object {
  return {
    created: row.created,
    updated: row.updated,
    status: "ACTIVE",
    name: row.name,
    secret_type: row.secret_type,
    expiration: row.expiration,
    algorithm: row.algorithm,
    bit_length: row.bit_length,
    mode: row.mode,
    creator_id: row.creator_id,
    ...(consumers && { consumers: consumers.map(secretConsumerDocument) }),
    ...(row.content_type !== null && { content_types: { default: row.content_type } }),
    secret_ref: refs.secret(row.id),
  };
}

function acceptOf({ headers }: ApiRequest): string | undefined {
  return headers["accept"] as string | undefined;
}

/** A secret's consumer as the wire has it. */
export function secretConsumerDocument(consumer: SecretConsumer): object {
  const { service, resource_type, resource_id } = consumer;
  return { service, resource_type, resource_id };
}
