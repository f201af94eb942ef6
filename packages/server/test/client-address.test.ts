import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { loadServerConfig } from "../src/config/config.ts";
import { ClientAddresses, type ClientAddressesOptions } from "../src/http/client-addresses.ts";
import { TrustedProxies } from "../src/http/trusted-proxies.ts";
import { networkOf, parseAddress, peerAddress } from "../src/model/client-address.ts";
import { openProxies } from "../src/parts/open-proxies.ts";

function trust(...texts: readonly string[]): TrustedProxies {
  const proxies = TrustedProxies.of(texts);
  assert.ok(proxies);
  return proxies;
}

function open(proxies: string): ClientAddressesOptions {
  const flags = { "--listen-trusted-proxies": proxies };
  return openProxies(loadServerConfig({ environment: {}, flags }));
}

function clientOf(
  options: ClientAddressesOptions,
  peer: string,
  headers: Readonly<Record<string, string>>,
): string {
  return new ClientAddresses(options).of({ socket: { remoteAddress: peer }, headers });
}

describe("an address", () => {
  it("is IPv4 where IPv6 maps it, and IPv6 in its shortest form", () => {
    for (const [text, expected] of [
      ["192.0.2.1", "192.0.2.1"],
      ["::ffff:192.0.2.1", "192.0.2.1"],
      ["::FFFF:c000:0201", "192.0.2.1"],
      ["0:0:0:0:0:ffff:c000:201", "192.0.2.1"],
      ["2001:DB8:0:0::1", "2001:db8::1"],
      ["fe80::1%eth0", "fe80::1"],
      ["::", "::"],
      ["::1", "::1"],
    ] as const)
      assert.equal(parseAddress(text), expected, text);
  });

  it("is nothing else", () => {
    for (const text of [
      "",
      "unknown",
      "192.0.2",
      "192.0.2.256",
      "01.2.3.4",
      "::g",
      "a\nb",
      "1".repeat(9_000),
    ])
      assert.equal(parseAddress(text), undefined, text.slice(0, 20));
    assert.equal(peerAddress(undefined), "unknown");
  });

  it("belongs to a network, the /64 of IPv6", () => {
    for (const [text, expected] of [
      ["192.0.2.1", "192.0.2.1"],
      ["::ffff:192.0.2.1", "192.0.2.1"],
      ["2001:db8::1", "2001:db8:0:0::/64"],
      ["2001:db8:0:0:ffff::", "2001:db8:0:0::/64"],
      ["2001:db8:0:1::1", "2001:db8:0:1::/64"],
      ["x".repeat(9_000), "unknown"],
    ] as const)
      assert.equal(networkOf(text), expected);
  });
});

describe("a client behind proxies", () => {
  const trustedProxies = trust("127.0.0.1", "10.0.0.0/8", "fd00::/8");
  const trusting = (peer: string, forwarded: string) =>
    clientOf({ trustedProxies }, peer, { "x-forwarded-for": forwarded });

  it("cannot choose its address by a header that no trusted proxy sent", () => {
    const headers = { "x-forwarded-for": "203.0.113.1", forwarded: "for=203.0.113.1" };
    assert.equal(clientOf({}, "192.0.2.1", headers), "192.0.2.1");
    assert.equal(clientOf({ trustedProxies }, "192.0.2.1", headers), "192.0.2.1");
    assert.equal(clientOf({}, "127.0.0.1", headers), "127.0.0.1");
  });

  it("is the right-most that is no proxy, whatever stands left of it", () => {
    assert.equal(trusting("127.0.0.1", "192.0.2.1"), "192.0.2.1");
    assert.equal(trusting("127.0.0.1", "203.0.113.1, 192.0.2.1"), "192.0.2.1");
    assert.equal(trusting("127.0.0.1", "203.0.113.1, 192.0.2.1, 10.1.2.3"), "192.0.2.1");
    assert.equal(trusting("fd00::5", "junk,192.0.2.1:4711"), "192.0.2.1");
    assert.equal(trusting("::ffff:127.0.0.1", "[2001:db8::1]:80"), "2001:db8::1");
    assert.equal(trusting("10.0.0.1", "10.0.0.3,10.0.0.2"), "10.0.0.3");
  });

  it("is the proxy itself where that names nobody", () => {
    for (const forwarded of [
      "",
      "unknown",
      ",",
      "192.0.2.1,",
      "192.0.2.1 x",
      "x".repeat(30_000),
      "[192.0.2.1]",
    ])
      assert.equal(trusting("127.0.0.1", forwarded), "127.0.0.1", forwarded.slice(0, 20));
    assert.equal(trusting("127.0.0.1", "203.0.113.1, junk, 10.0.0.9"), "10.0.0.9");
  });

  it("is looked for in the one header that is set, and never in the other", () => {
    const headers = {
      "x-forwarded-for": "203.0.113.1",
      forwarded: 'for="[2001:db8::1]:80";proto=https',
    };
    const header = "forwarded";
    assert.equal(clientOf({ trustedProxies }, "127.0.0.1", headers), "203.0.113.1");
    assert.equal(clientOf({ trustedProxies, header }, "127.0.0.1", headers), "2001:db8::1");
    for (const [forwarded, expected] of [
      ["for=192.0.2.1", "192.0.2.1"],
      ["by=10.0.0.1; For=192.0.2.1", "192.0.2.1"],
      ["for=203.0.113.1, for=192.0.2.1;by=10.0.0.1, for=10.0.0.2", "192.0.2.1"],
      ["for=_hidden", "127.0.0.1"],
      ["for=203.0.113.1;for=192.0.2.1", "127.0.0.1"],
      ["proto=http", "127.0.0.1"],
    ] as const)
      assert.equal(clientOf({ trustedProxies, header }, "127.0.0.1", { forwarded }), expected);
  });

  it("is not what the client puts within quotes, where a proxy hands on the Host header", () => {
    const header = "forwarded";
    for (const host of [
      "x,for=203.0.113.1;y=",
      "x;for=203.0.113.1;y=",
      "a, b, for=203.0.113.1;y=",
      '\\",for=203.0.113.1;y=\\"',
      '\\",for=203.0.113.1;y=z\\",a=b',
      `${"x".repeat(600)};for=203.0.113.1;y=`,
      `${"x".repeat(600)},for=203.0.113.1;y=`,
    ]) {
      const forwarded = `for=203.0.113.1, for=192.0.2.1;host="${host}";proto=https`;
      const client = clientOf({ trustedProxies, header }, "127.0.0.1", { forwarded });
      // An element that cannot be read safely names nobody: it is the proxy that counts.
      assert.ok(["192.0.2.1", "127.0.0.1"].includes(client), `${forwarded}: ${client}`);
    }
    const plain = 'for=203.0.113.1, for="192.0.2.1:80";host="a,b;c"';
    assert.equal(
      clientOf({ trustedProxies, header }, "127.0.0.1", { forwarded: plain }),
      "192.0.2.1",
    );
    // A quote that the client leaves open swallows nothing of the proxy's.
    assert.equal(
      clientOf({ trustedProxies, header }, "127.0.0.1", { forwarded: 'for="x, for=192.0.2.1' }),
      "192.0.2.1",
    );
  });

  it("costs little, however long the header is", () => {
    const chain = "10.0.0.1,".repeat(3_000);
    assert.equal(trusting("127.0.0.1", `192.0.2.1,${chain}10.0.0.1`), "10.0.0.1");
  });

  it("is noticed where no proxy is trusted, once", () => {
    let noticed = 0;
    const clients = new ClientAddresses({ onIgnored: () => void (noticed += 1) });
    const socket = { remoteAddress: "127.0.0.1" };
    clients.of({ socket, headers: {} });
    assert.deepEqual([clients.ignored, noticed], [false, 0]);
    for (const headers of [{ "x-forwarded-for": "x" }, { forwarded: "y" }])
      clients.of({ socket, headers });
    assert.deepEqual([clients.ignored, noticed], [true, 1]);
  });

  it("is not looked for where the setting is no list of addresses and networks", () => {
    assert.equal(String(open("10.0.0.0/8, ::1").trustedProxies), "10.0.0.0/8, ::1");
    assert.equal(open("").trustedProxies, undefined);
    for (const proxies of [
      "proxy.example.com",
      "10.0.0.0/33",
      "10.0.0.0/0",
      "::/0",
      "::/129",
      "1.2.3.4/8/8",
      "/8",
      "::ffff:1.2.3.4/120",
      "fe80::1%eth0",
      "*",
    ])
      assert.throws(() => open(proxies), /^ServerError: listen\.trustedProxies: "/, proxies);
  });
});
