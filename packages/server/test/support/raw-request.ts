import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import type { Harness } from "./harness.ts";

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Sends a request line as it is; every client would change it. */
export async function raw(
  { server }: Pick<Harness, "server">,
  line: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<RawAnswer> {
  const { app } = server;
  if (!app.server.listening) await app.listen({ host: "127.0.0.1", port: 0 });
  const socket = connect((app.server.address() as AddressInfo).port, "127.0.0.1");
  const sent = { host: "keys.test", connection: "close", ...headers };
  const lines = Object.entries(sent).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`${line} HTTP/1.1\r\n${lines.join("")}\r\n`, "latin1");
  let text = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => {
    text += chunk;
  });
  await once(socket, "close");
  const [head = "", body = ""] = text.split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), head, body };
}
