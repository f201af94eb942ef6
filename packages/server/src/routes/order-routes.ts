import { isOddLength } from "../orders/algorithms.ts";
import type { NewOrder, OrderRow, OrderService } from "../services/orders.ts";
import { actionsOn, json, type KeyManagerEndpoint } from "./api.ts";
import { Fields, type JsonObject, jsonObject } from "./body.ts";
import { pageLinks, pageParameters, parsePage } from "./query.ts";
import type { Refs } from "./refs.ts";
import { parseAttributes, payloadType } from "./secret-body.ts";

/** Orders: keys and key pairs that the server makes. */
export function orderRoutes(
  orders: OrderService,
  now: () => string,
): readonly KeyManagerEndpoint[] {
  return [
    {
      path: "/v1/orders",
      target: "none",
      methods: {
        GET: actionsOn("none")({
          rule: "orders:get",
          noun: "Order(s) retrieval",
          audit: "refusals",
          parse: ({ query }) => {
            const metaToken = query.short("meta");
            return { ...parsePage(query), ...(metaToken && { metaToken }) };
          },
          run: async ({ request, permit, input }) => {
            const found = await orders.list(permit, input);
            const items = found.rows.map((row) => orderDocument(row, request.refs));
            const others = request.query.except(pageParameters);
            const shown = { ...input, offset: found.offset };
            const url = request.refs.to("orders");
            const links = pageLinks(url, shown, items.length, found.total, others);
            return { status: 200, json: { orders: items, ...links } };
          },
        }),
        POST: actionsOn("none")({
          rule: "orders:post",
          noun: "Order creation",
          audit: "write",
          accepts: json,
          parse: (request) => parseNewOrder(jsonObject(request, "Order"), now()),
          run: async ({ request, permit, input }) => {
            const ref = request.refs.order(await orders.create(permit, input));
            return { status: 202, headers: { location: ref }, json: { order_ref: ref } };
          },
        }),
        PUT: actionsOn("none")({
          rule: "orders:put",
          noun: "Order update",
          audit: "refusals",
          run: ({ permit }) => orders.refuseUpdate(permit),
        }),
      },
    },
    {
      path: "/v1/orders/:id",
      target: "order",
      methods: {
        GET: actionsOn("order")({
          rule: "order:get",
          noun: "Order retrieval",
          audit: "refusals",
          run: ({ request, target }) => ({
            status: 200,
            json: orderDocument(target, request.refs),
          }),
        }),
        DELETE: actionsOn("order")({
          rule: "order:delete",
          noun: "Order deletion",
          audit: "write",
          run: async ({ permit, target }) => {
            await orders.remove(permit, target);
            return { status: 204 };
          },
        }),
      },
    },
  ];
}

/** An order as the wire has it: what does not apply is left out. */
function orderDocument(row: OrderRow, refs: Refs): object {
  return {
    created: row.created,
    updated: row.updated,
    status: row.status,
    type: row.type,
    meta: JSON.parse(row.meta) as object,
    creator_id: row.creator_id,
    ...(row.secret_id !== null && { secret_ref: refs.secret(row.secret_id) }),
    ...(row.container_id !== null && { container_ref: refs.container(row.container_id) }),
    ...(row.status === "ACTIVE" && { sub_status: "Unknown", sub_status_message: "Unknown" }),
    ...(row.status === "ERROR" && {
      error_status_code: row.error_status,
      error_reason: row.error_reason,
    }),
    order_ref: refs.order(row.id),
  };
}

/** In characters of JSON. What means something has about 2,000 at most. */
const maxMetaLength = 4_096;

/** Parses the body of POST /v1/orders. @throws WireError 400 */
function parseNewOrder(object: JsonObject, now: string): NewOrder {
  const order = new Fields(object, "Order");
  const type = order.requiredText("type");
  if (type !== "key" && type !== "asymmetric")
    throw order.error("type is not one of key, asymmetric", "type");
  const meta: unknown = order.raw("meta");
  if (typeof meta !== "object" || meta === null || Array.isArray(meta))
    throw order.error("meta is not of type 'object'", "meta");
  // It is searched whenever orders are listed by it.
  if (JSON.stringify(meta).length > maxMetaLength)
    throw order.error(`meta has more than ${maxMetaLength} characters`, "meta");
  const fields = new Fields(meta as JsonObject, "Order");
  const { name, algorithm, bitLength, mode, expiration } = parseAttributes(fields, now);
  if (algorithm === null || algorithm === "")
    throw fields.error("'algorithm' is a required property", "algorithm");
  if (bitLength === null) throw fields.error("'bit_length' is a required property", "bit_length");
  if (bitLength % 8 !== 0 && !isOddLength(algorithm, bitLength))
    throw fields.error("bit_length is not a multiple of 8", "bit_length");
  if (fields.raw("payload") !== undefined)
    throw fields.error("payload is not allowed in an order", "payload");
  const contentType = parseContentType(fields);
  const passphrase = parsePassphrase(fields);
  const { passphrase: _one, pass_phrase: _other, ...shown } = meta as JsonObject;
  return {
    type,
    meta: { ...shown, name, expiration },
    attributes: { name, algorithm, bitLength, mode, expiration, contentType },
    ...(passphrase && { passphrase }),
  };
}

function parseContentType(fields: Fields): string {
  const text = fields.text("payload_content_type", { nullable: true });
  if (text === undefined || text === null || text === "") return "application/octet-stream";
  const type = payloadType(text);
  if (type === undefined)
    throw fields.error("payload_content_type is not supported", "payload_content_type");
  return type;
}

/** python-barbicanclient says `pass_phrase`; Barbican ignores it, and leaves the key in clear. */
function parsePassphrase(fields: Fields): string | undefined {
  const [one, other] = (["passphrase", "pass_phrase"] as const).map((name) => {
    const text = fields.text(name, { nullable: true }) ?? undefined;
    if (text === "")
      throw fields.error(`${name} is empty; leave it out for a private key in clear`, name);
    return text;
  });
  return one ?? other;
}
