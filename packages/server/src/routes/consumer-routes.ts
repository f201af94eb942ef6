import type { ContainerConsumer, ContainerService } from "../services/containers.ts";
import type {
  ConsumedSecret,
  SecretConsumer,
  SecretConsumerService,
} from "../services/secret-consumers.ts";
import { type ApiRequest, actionsOn, json, type KeyManagerEndpoint } from "./api.ts";
import { Fields, jsonObject } from "./body.ts";
import { containerDocument } from "./container-routes.ts";
import type { Reply } from "./endpoint.ts";
import { pageLinks, parsePage } from "./query.ts";
import { secretConsumerDocument, secretDocument } from "./secret-routes.ts";

/** Consumers of secrets: `service`, `resource_type`, `resource_id`. */
export function secretConsumerRoutes(
  consumers: SecretConsumerService,
): readonly KeyManagerEndpoint[] {
  return [
    {
      path: "/v1/secrets/:id/consumers",
      target: "secret",
      methods: {
        GET: actionsOn("secret")({
          rule: "secret_consumers:get",
          noun: "Consumers retrieval",
          audit: "refusals",
          parse: ({ query }) => parsePage(query),
          run: async ({ request, permit, target, input: page }) => {
            const { rows, total } = await consumers.list(permit, target.id, page);
            const items = rows.map(({ created, updated, ...row }) => ({
              created,
              updated,
              status: "ACTIVE",
              ...secretConsumerDocument(row),
            }));
            const url = `${request.refs.secret(target.id)}/consumers`;
            const links = pageLinks(url, page, items.length, total);
            return { status: 200, json: { consumers: items, ...links } };
          },
        }),
        POST: actionsOn("secret")({
          rule: "secret_consumers:post",
          noun: "Consumer creation",
          audit: "write",
          accepts: json,
          parse: (request) => parseSecretConsumer(request),
          run: async ({ request, permit, target, input }) =>
            whole(request, await consumers.add(permit, target, input)),
        }),
        DELETE: actionsOn("secret")({
          rule: "secret_consumers:delete",
          noun: "Consumer deletion",
          audit: "write",
          accepts: json,
          parse: (request) => parseSecretConsumer(request),
          run: async ({ request, permit, target, input }) =>
            whole(request, await consumers.remove(permit, target, input)),
        }),
      },
    },
  ];
}

function whole({ refs }: ApiRequest, { row, consumers }: ConsumedSecret): Reply {
  return { status: 200, json: secretDocument(row, refs, consumers) };
}

/** Consumers of containers: `name` and `URL`. */
export function containerConsumerRoutes(
  containers: ContainerService,
): readonly KeyManagerEndpoint[] {
  return [
    {
      path: "/v1/containers/:id/consumers",
      target: "container",
      methods: {
        GET: actionsOn("container")({
          rule: "container_consumers:get",
          noun: "ContainerConsumers retrieval",
          audit: "refusals",
          parse: ({ query }) => parsePage(query),
          run: async ({ request, permit, target, input: page }) => {
            const found = await containers.consumers(permit, target.id, page);
            const items = found.rows.map(consumerDocument);
            const url = `${request.refs.container(target.id)}/consumers`;
            const links = pageLinks(url, page, items.length, found.total);
            return { status: 200, json: { consumers: items, ...links } };
          },
        }),
        POST: actionsOn("container")({
          rule: "container_consumers:post",
          noun: "ContainerConsumer creation",
          audit: "write",
          accepts: json,
          parse: (request) => parseContainerConsumer(request),
          run: async ({ request: { refs }, permit, target, input }) => {
            const container = await containers.addConsumer(permit, target.id, input);
            // An odd place; it is where Barbican says it is.
            const location = refs.to("consumers", target.id, "consumers");
            return { status: 200, headers: { location }, json: containerDocument(container, refs) };
          },
        }),
        DELETE: actionsOn("container")({
          rule: "container_consumers:delete",
          noun: "ContainerConsumer deletion",
          audit: "write",
          accepts: json,
          parse: (request) => parseContainerConsumer(request),
          run: async ({ request: { refs }, permit, target, input }) => {
            const container = await containers.removeConsumer(permit, target, input);
            return { status: 200, json: containerDocument(container, refs) };
          },
        }),
      },
    },
    {
      path: "/v1/containers/:id/consumers/:consumer",
      target: "container",
      methods: {
        GET: actionsOn("container consumer")({
          rule: "consumer:get",
          noun: "ContainerConsumer retrieval",
          audit: "refusals",
          run: async ({ request, permit, target }) => {
            const id = request.params["consumer"] ?? "";
            return {
              status: 200,
              json: consumerDocument(await containers.consumer(permit, target.id, id)),
            };
          },
        }),
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

function parseSecretConsumer(request: ApiRequest): SecretConsumer {
  const fields = new Fields(jsonObject(request, "Secret Consumer"), "Secret Consumer");
  return {
    service: fields.requiredText("service", { min: 1 }),
    resource_type: fields.requiredText("resource_type", { min: 1 }),
    resource_id: fields.requiredText("resource_id", { min: 1 }),
  };
}

function parseContainerConsumer(request: ApiRequest): ContainerConsumer {
  const fields = new Fields(jsonObject(request, "Consumer"), "Consumer");
  return {
    name: fields.requiredText("name", { min: 1, max: 36 }),
    url: fields.requiredText("URL", { min: 1 }),
  };
}
