import { Server } from "node:net";
import type { FastifyInstance } from "fastify";

/** Fastify's name for the servers besides the first that it makes for `localhost`, which has two addresses. */
const bindings = "fastify.serverBindings";

/** All servers of an application. Those besides the first are there once it listens. */
export function serversOf(app: FastifyInstance): readonly Server[] {
  const symbol = Object.getOwnPropertySymbols(app).find((one) => one.description === bindings);
  const others: unknown = symbol && Reflect.get(app, symbol);
  const found: readonly unknown[] = [app.server, ...(Array.isArray(others) ? others : [])];
  return found.filter((one) => one instanceof Server);
}
