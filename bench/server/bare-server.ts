/** What `node:http` alone can do: answers every request with one constant, as long as a secret's document. Sends its port by IPC. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const answer = Buffer.from(JSON.stringify({ constant: "x".repeat(400) }));

const server = createServer((_request, response) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": answer.length });
  response.end(answer);
});
server.listen(0, "127.0.0.1", () => {
  process.send?.((server.address() as AddressInfo).port);
});
process.on("disconnect", () => process.exit(0));
