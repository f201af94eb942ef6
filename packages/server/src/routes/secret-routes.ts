import { issueSeen, WireError } from "../model/wire-error.ts";
import type { SecretConsumer, SecretRow, SecretService } from "../services/secrets.ts";
import { Accept } from "./accept.ts";
import {
  documentQuality,
  isTextInAnotherCase,
  negotiatePayload,
  prefersDocument,
} from "./negotiation.ts";
import { pageLinks, pageParameters, parseBoolean, parsePage } from "./query.ts";
import type { Refs } from "./refs.ts";
import type { Call, Reply, Route } from "./route.ts";
import { parseNewSecret, parsePutPayload } from "./secret-body.ts";
import { parseSecretQuery } from "./secret-query.ts";

/** Secrets and their payloads. */
export function secretRoutes(secrets: SecretService, now: () => string): readonly Route[] {
  return [
    {
      path: "/v1/secrets",
      handlers: { GET: (call) => list(secrets, call), POST: (call) => create(secrets, call, now) },
    },
    {
      path: "/v1/secrets/:id",
      negotiates: true,
      exists: (call) => secrets.find(call.params["id"] ?? ""),
      handlers: {
        GET: (call) => documentOrPayload(secrets, call),
        PUT: (call) => putPayload(secrets, call),
        DELETE: (call) => remove(secrets, call),
      },
    },
    {
      path: "/v1/secrets/:id/payload",
      negotiates: true,
      exists: (call) => secrets.find(call.params["id"] ?? ""),
      withoutAllow: true,
      handlers: { GET: (call) => payload(secrets, call) },
    },
  ];
}

async function create(secrets: SecretService, call: Call, now: () => string): Promise<Reply> {
  const id = await secrets.create(call.principal, () => parseNewSecret(call, now()));
  const ref = call.refs.secret(id);
  return { status: 201, headers: { location: ref }, json: { secret_ref: ref } };
}

async function describe(secrets: SecretService, call: Call): Promise<Reply> {
  const needsTransportKey = parseBoolean(call.query.get("transport_key_needed") ?? "") ?? false;
  const { row, consumers } = await secrets.describe(
    call.principal,
    call.params["id"] ?? "",
    call.minorVersion >= 1,
  );
  if (needsTransportKey)
    throw issueSeen(400, "Secret retrieval", "this server has no transport keys");
  return { status: 200, json: secretDocument(row, call.refs, consumers) };
}

/**
 * The document, unless the client wants a type of payloads more: then the payload, as old clients ask for it. If the
 * secret cannot be sent in such a type, the document is the next best.
 */
async function documentOrPayload(secrets: SecretService, call: Call): Promise<Reply> {
  const accept = acceptOf(call);
  if (prefersDocument(accept)) return describe(secrets, call);
  const floor = documentQuality(Accept.parse(accept));
  if (floor === 0) return payload(secrets, call);
  const { content_type: stored } = await secrets.find(call.params["id"] ?? "");
  const sent = stored === null ? undefined : await payloadAbove(floor, secrets, call);
  return sent ?? describe(secrets, call);
}

async function payload(secrets: SecretService, call: Call): Promise<Reply> {
  const sent = await payloadAbove(0, secrets, call);
  if (!sent) throw new WireError(406, "The payload cannot be sent in a form that Accept names.");
  return sent;
}

/** Undefined if the client wants no type that the payload can be sent as more than `floor`. */
async function payloadAbove(
  floor: number,
  secrets: SecretService,
  call: Call,
): Promise<Reply | undefined> {
  const wrapped = call.query.get("trans_wrapped_session_key");
  const accept = acceptOf(call);
  const found = await secrets.payload(call.principal, call.params["id"] ?? "", (stored) => {
    if (wrapped !== undefined)
      throw issueSeen(400, "Secret payload retrieval", "this server has no transport keys");
    if (isTextInAnotherCase(accept))
      throw issueSeen(400, "Secret payload retrieval", "the content type is not supported");
    return negotiatePayload(accept, stored, floor);
  });
  return (
    found && { status: 200, headers: { "content-type": found.contentType }, bytes: found.bytes }
  );
}

async function putPayload(secrets: SecretService, call: Call): Promise<Reply> {
  await secrets.putPayload(call.principal, call.params["id"] ?? "", () => parsePutPayload(call));
  return { status: 204 };
}

async function remove(secrets: SecretService, call: Call): Promise<Reply> {
  await secrets.remove(call.principal, call.params["id"] ?? "", () => {
    if (call.minorVersion < 2) return false;
    const text = call.query.get("force");
    const force = text === undefined ? false : parseBoolean(text);
    if (force === undefined) throw issueSeen(400, "Secret deletion", "force is not a boolean");
    return !force;
  });
  return { status: 204 };
}

async function list(secrets: SecretService, call: Call): Promise<Reply> {
  const { rows, total, offset, consumers } = await secrets.list(
    call.principal,
    () => parseSecretQuery(call.query),
    call.minorVersion >= 1,
  );
  const page = { ...parsePage(call.query), offset };
  const others = call.query.except(pageParameters);
  return {
    status: 200,
    json: {
      secrets: rows.map((row) =>
        secretDocument(row, call.refs, consumers && (consumers.get(row.id) ?? [])),
      ),
      ...pageLinks(call.refs.to("secrets"), page, rows.length, total, others),
    },
  };
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

function acceptOf(call: Call): string | undefined {
  return call.headers["accept"] as string | undefined;
}

/** A secret's consumer as the wire has it. */
export function secretConsumerDocument(consumer: SecretConsumer): object {
  const { service, resource_type, resource_id } = consumer;
  return { service, resource_type, resource_id };
}
