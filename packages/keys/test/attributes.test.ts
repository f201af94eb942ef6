import { describe, it } from "node:test";
import { MemoryKeyManager, SecretBytes } from "../src/index.ts";
import { refuses } from "./refuses.ts";

const manager = new MemoryKeyManager({ warn: () => {} });
const alice = { type: "project", projectId: "a", userId: "alice" } as const;
const opaque = { type: "opaque", value: SecretBytes.random(8) } as const;
const aes = { algorithm: "aes", bitLength: 256 };

describe("what is said of an object", () => {
  for (const field of ["name", "algorithm", "mode"] as const) {
    it(`a ${field} is refused that Barbican would strip or cut`, async () => {
      for (const text of [" x", "x ", "x\n", "\tx", "\u001cx", "x\u0085"]) {
        await refuses(
          manager.store(alice, { ...opaque, [field]: text }),
          "invalid_argument",
          /blank/,
        );
      }
      for (const text of ["", "x".repeat(256), 7 as never]) {
        const message = new RegExp(`${field} must be a text of 1 to 255 characters`);
        await refuses(
          manager.store(alice, { ...opaque, [field]: text }),
          "invalid_argument",
          message,
        );
      }
    });
  }

  it("a name of 255 characters is kept, though each takes two units", async () => {
    await manager.store(alice, { ...opaque, name: "😀".repeat(255) });
  });

  it("a content type that is none, or would forge a header, is refused", async () => {
    for (const contentType of ["", "text", "text/plain\r\nx: y", "text/plain; q=1, b"]) {
      await refuses(
        manager.store(alice, { ...opaque, contentType }),
        "invalid_argument",
        /media type/,
      );
    }
    await manager.store(alice, { ...opaque, contentType: "application/pkcs8" });
  });

  it("a length that is no whole number of bytes is unsupported", async () => {
    for (const bitLength of [0, -8, 7, 12.5, Number.NaN, Infinity, "256" as never]) {
      await refuses(manager.createKey(alice, { ...aes, bitLength }), "unsupported", /whole bytes/);
      const rsa = { algorithm: "rsa", bitLength };
      await refuses(manager.createKeyPair(alice, rsa), "unsupported", /whole bytes/);
    }
  });

  it("a consumer that Barbican's columns do not hold is refused", async () => {
    const id = await manager.createKey(alice, aes);
    const volume = { service: "volume", resourceType: "volume", resourceId: "v" };
    for (const [field, text] of [
      ["service", ""],
      ["resourceType", "x".repeat(256)],
      ["resourceId", "x".repeat(37)],
      ["resourceId", " v"],
      ["service", undefined as never],
    ] as const) {
      const consumer = { ...volume, [field]: text };
      const message = new RegExp(field);
      await refuses(manager.addConsumer(alice, id, consumer), "invalid_argument", message);
      await refuses(manager.removeConsumer(alice, id, consumer), "invalid_argument", message);
    }
  });
});
