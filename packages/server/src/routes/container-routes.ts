import { issueSeen } from "../model/wire-error.ts";
import type { ContainerService, WholeContainer } from "../services/containers.ts";
import { actionsOn, json, type KeyManagerEndpoint } from "./api.ts";
import { jsonObject } from "./body.ts";
import { parseContainerSecret, parseNewContainer } from "./container-body.ts";
import { pageLinks, pageParameters, parsePage } from "./query.ts";
import type { Refs } from "./refs.ts";
import { parsePattern } from "./secret-query.ts";

/** Containers and the secrets in them. */
export function containerRoutes(containers: ContainerService): readonly KeyManagerEndpoint[] {
  return [
    {
      path: "/v1/containers",
      target: "none",
      methods: {
        GET: actionsOn("none")({
          rule: "containers:get",
          noun: "Containers(s) retrieval",
          audit: "refusals",
          parse: ({ query }) => ({
            ...parsePage(query),
            name: parsePattern(query, "name") ?? null,
            type: query.short("type") ?? null,
          }),
          run: async ({ request, permit, input }) => {
            const found = await containers.list(permit, input);
            const items = found.containers.map((whole) => containerDocument(whole, request.refs));
            const others = request.query.except(pageParameters);
            const shown = { ...input, offset: found.offset };
            const url = request.refs.to("containers");
            const links = pageLinks(url, shown, items.length, found.total, others);
            return { status: 200, json: { containers: items, ...links } };
          },
        }),
        POST: actionsOn("none")({
          rule: "containers:post",
          noun: "Container creation",
          audit: "write",
          accepts: json,
          parse: (request) => parseNewContainer(jsonObject(request, "Container"), request.refs),
          run: async ({ request, permit, input }) => {
            const ref = request.refs.container(await containers.create(permit, input));
            return { status: 201, headers: { location: ref }, json: { container_ref: ref } };
          },
        }),
      },
    },
    {
      path: "/v1/containers/:id",
      target: "container",
      methods: {
        GET: actionsOn("container")({
          rule: "container:get",
          noun: "Container retrieval",
          audit: "refusals",
          run: async ({ request, permit, target }) => ({
            status: 200,
            json: containerDocument(await containers.describe(permit, target.id), request.refs),
          }),
        }),
        DELETE: actionsOn("container")({
          rule: "container:delete",
          noun: "Container deletion",
          audit: "write",
          run: async ({ permit, target }) => {
            await containers.remove(permit, target.id);
            return { status: 204 };
          },
        }),
      },
    },
    {
      path: "/v1/containers/:id/secrets",
      target: "container",
      methods: {
        POST: actionsOn("container")({
          rule: "container_secret:post",
          noun: "Container secret creation",
          audit: "write",
          accepts: json,
          parse: (request, { type }) => {
            if (type !== "generic")
              throw issueSeen(
                400,
                "Container secret creation",
                "only a generic container takes another secret",
              );
            return parseContainerSecret(jsonObject(request, "ContainerSecret"), request.refs);
          },
          run: async ({ request, permit, target, input }) => {
            await containers.addSecret(permit, target.id, input);
            const ref = request.refs.container(target.id);
            return { status: 201, headers: { location: ref }, json: { container_ref: ref } };
          },
        }),
        DELETE: actionsOn("container")({
          rule: "container_secret:delete",
          noun: "Container secret deletion",
          audit: "write",
          parse: (request) =>
            parseContainerSecret(jsonObject(request, "ContainerSecret"), request.refs),
          run: async ({ permit, target, input }) => {
            await containers.removeSecret(permit, target.id, input);
            return { status: 204 };
          },
        }),
      },
    },
  ];
}

/** A container as the wire has it. */
export function containerDocument(whole: WholeContainer, refs: Refs): object {
  const { row, members, consumers } = whole;
  return {
    created: row.created,
    updated: row.updated,
    status: "ACTIVE",
    name: row.name,
    type: row.type,
    creator_id: row.creator_id,
    secret_refs: members.map((member) => ({
      name: member.name,
      secret_ref: refs.secret(member.secret_id),
    })),
    consumers: consumers.map(({ name, url }) => ({ name, URL: url })),
    container_ref: refs.container(row.id),
  };
}
