import type { ContainerConsumer, ContainerService } from "../services/containers.ts";
import type {
  ConsumedSecret,
  SecretConsumer,
  SecretConsumerService,
} from "../services/secret-consumers.ts";
import type { SecretService } from "../services/secrets.ts";
import { Fields, jsonBody } from "./body.ts";
import { containerDocument } from "./container-routes.ts";
import { pageLinks, parsePage } from "./query.ts";
import type { Call, Reply, Route } from "./route.ts";
import { secretConsumerDocument, secretDocument } from "./secret-routes.ts";

/** Consumers of secrets: `service`, `resource_type`, `resource_id`. */
export function secretConsumerRoutes(
  consumers: SecretConsumerService,
  secrets: SecretService,
): readonly Route[] {
  return [
    {
      path: "/v1/secrets/:id/consumers",
      exists: (call) => secrets.find(idOf(call)),
      handlers: {
        GET: async (call) => {
          const { rows, total } = await consumers.list(call.principal, idOf(call), () =>
            parsePage(call.query),
          );
          const items = rows.map(({ created, updated, ...row }) => ({
            created,
            updated,
            status: "ACTIVE",
            ...secretConsumerDocument(row),
          }));
          const url = `${call.refs.secret(idOf(call))}/consumers`;
          const links = pageLinks(url, parsePage(call.query), items.length, total);
          return { status: 200, json: { consumers: items, ...links } };
        },
        POST: async (call) =>
          whole(
            call,
            await consumers.add(call.principal, idOf(call), () => parseSecretConsumer(call)),
          ),
        DELETE: async (call) =>
          whole(
            call,
            await consumers.remove(call.principal, idOf(call), () => parseSecretConsumer(call)),
          ),
      },
    },
  ];
}

function whole(call: Call, { row, consumers }: ConsumedSecret): Reply {
  return { status: 200, json: secretDocument(row, call.refs, consumers) };
}

/** Consumers of containers: `name` and `URL`. */
export function containerConsumerRoutes(containers: ContainerService): readonly Route[] {
  return [
    {
      path: "/v1/containers/:id/consumers",
      exists: (call) => containers.find(idOf(call)),
      handlers: {
        GET: async (call) => {
          const page = parsePage(call.query);
          const found = await containers.consumers(call.principal, idOf(call), () => page);
          const items = found.rows.map(consumerDocument);
          const url = `${call.refs.container(idOf(call))}/consumers`;
          const links = pageLinks(url, page, items.length, found.total);
          return { status: 200, json: { consumers: items, ...links } };
        },
        POST: async (call) => {
          const container = await containers.addConsumer(call.principal, idOf(call), () =>
            parseContainerConsumer(call),
          );
          // An odd place; it is where Barbican says it is.
          const location = call.refs.to("consumers", idOf(call), "consumers");
          return {
            status: 200,
            headers: { location },
            json: containerDocument(container, call.refs),
          };
        },
        DELETE: async (call) => {
          const container = await containers.removeConsumer(call.principal, idOf(call), () =>
            parseContainerConsumer(call),
          );
          return { status: 200, json: containerDocument(container, call.refs) };
        },
      },
    },
    {
      path: "/v1/containers/:id/consumers/:consumer",
      exists: (call) => containers.find(idOf(call)),
      handlers: {
        GET: async (call) => {
          const id = call.params["consumer"] ?? "";
          const row = await containers.consumer(call.principal, idOf(call), id);
          return { status: 200, json: consumerDocument(row) };
        },
      },
    },
  ];
}

function consumerDocument(row: {
  readonly created: string;
  readonly updated: string;
  readonly name: string;
  readonly url: string;
}): object {
  const { created, updated, name, url } = row;
  return { created, updated, status: "ACTIVE", name, URL: url };
}

function parseSecretConsumer(call: Call): SecretConsumer {
  const fields = new Fields(jsonBody(call, "Secret Consumer"), "Secret Consumer");
  return {
    service: fields.requiredText("service", { min: 1 }),
    resource_type: fields.requiredText("resource_type", { min: 1 }),
    resource_id: fields.requiredText("resource_id", { min: 1 }),
  };
}

function parseContainerConsumer(call: Call): ContainerConsumer {
  const fields = new Fields(jsonBody(call, "Consumer"), "Consumer");
  return {
    name: fields.requiredText("name", { min: 1, max: 36 }),
    url: fields.requiredText("URL", { min: 1 }),
  };
}

function idOf(call: Call): string {
  return call.params["id"] ?? "";
}
