import type { ContainerService, WholeContainer } from "../services/containers.ts";
import { jsonBody, jsonObject } from "./body.ts";
import { parseContainerSecret, parseNewContainer } from "./container-body.ts";
import { pageLinks, pageParameters, parsePage } from "./query.ts";
import type { Refs } from "./refs.ts";
import type { Call, Reply, Route } from "./route.ts";
import { parsePattern } from "./secret-query.ts";

/** Containers and the secrets in them. */
export function containerRoutes(containers: ContainerService): readonly Route[] {
  const exists = (call: Call) => containers.find(idOf(call));
  return [
    {
      path: "/v1/containers",
      handlers: { GET: (call) => list(containers, call), POST: (call) => create(containers, call) },
    },
    {
      path: "/v1/containers/:id",
      exists,
      handlers: {
        GET: async (call) => ({
          status: 200,
          json: containerDocument(await containers.describe(call.principal, idOf(call)), call.refs),
        }),
        DELETE: async (call) => {
          await containers.remove(call.principal, idOf(call));
          return { status: 204 };
        },
      },
    },
    {
      path: "/v1/containers/:id/secrets",
      exists,
      handlers: {
        POST: async (call) => {
          await containers.addSecret(call.principal, idOf(call), () =>
            parseContainerSecret(jsonBody(call, "ContainerSecret"), call.refs),
          );
          const ref = call.refs.container(idOf(call));
          return { status: 201, headers: { location: ref }, json: { container_ref: ref } };
        },
        DELETE: async (call) => {
          await containers.removeSecret(call.principal, idOf(call), () =>
            parseContainerSecret(jsonObject(call, "ContainerSecret"), call.refs),
          );
          return { status: 204 };
        },
      },
    },
  ];
}

async function create(containers: ContainerService, call: Call): Promise<Reply> {
  const id = await containers.create(call.principal, () =>
    parseNewContainer(jsonBody(call, "Container"), call.refs),
  );
  const ref = call.refs.container(id);
  return { status: 201, headers: { location: ref }, json: { container_ref: ref } };
}

async function list(containers: ContainerService, call: Call): Promise<Reply> {
  const page = parsePage(call.query);
  const name = parsePattern(call.query, "name");
  const type = call.query.short("type");
  const found = await containers.list(call.principal, () => ({
    ...page,
    name: name ?? null,
    type: type ?? null,
  }));
  const others = call.query.except(pageParameters);
  const items = found.containers.map((whole) => containerDocument(whole, call.refs));
  const shown = { ...page, offset: found.offset };
  const links = pageLinks(call.refs.to("containers"), shown, items.length, found.total, others);
  return { status: 200, json: { containers: items, ...links } };
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

function idOf(call: Call): string {
  return call.params["id"] ?? "";
}
