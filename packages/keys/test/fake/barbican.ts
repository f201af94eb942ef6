import { generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import type { Reply, Seen } from "./cloud.ts";
import type { Identity } from "./keystone.ts";

export interface FakeSecret {
  readonly id: string;
  readonly owner: Identity;
  readonly created: string;
  updated: string;
  readonly fields: Record<string, unknown>;
  payload?: Buffer | undefined;
  contentType?: string | undefined;
  consumers: Record<string, string>[];
  metadata: Record<string, string>;
  acl?: { users: readonly string[]; project: boolean } | undefined;
}

export interface FakeOrder {
  readonly id: string;
  readonly owner: Identity;
  readonly type: string;
  readonly meta: Record<string, unknown>;
  readonly created: string;
  status: "PENDING" | "ACTIVE" | "ERROR";
  secretId?: string;
  containerId?: string;
  error?: { readonly code: string; readonly reason: string };
}

interface FakeContainer {
  readonly id: string;
  readonly owner: Identity;
  readonly name: unknown;
  readonly type: string;
  members: { readonly name: string; readonly secretId: string }[];
}

/** Barbican's documented answers, for one policy: the project's members may do everything with its objects. */
export class FakeBarbican {
  readonly secrets = new Map<string, FakeSecret>();
  readonly orders = new Map<string, FakeOrder>();
  readonly containers = new Map<string, FakeContainer>();
  /** The newest that the server has; `none`: it is from before microversions and secret consumers. */
  microversion: "none" | "1.0" | "1.1" | "1.2" = "1.1";
  /** How many items a page has at most. */
  pageLimit = 100;
  /** `later`: an order stays pending until {@link FakeBarbican.work}. */
  orderMode: "at once" | "later" = "at once";
  mayDeleteOrders = true;
  /** Of `created`, in milliseconds: MySQL has seconds. */
  resolutionMs = 1_000;
  now: () => number = () => Date.now();
  /** Where its references point, which need not be where it is. */
  hostHref = "http://localhost:9311";
  readonly #identify: (token: string | undefined) => Identity | undefined;

  constructor(identify: (token: string | undefined) => Identity | undefined) {
    this.#identify = identify;
  }

  reset(): void {
    for (const kept of [this.secrets, this.orders, this.containers]) kept.clear();
    this.microversion = "1.1";
    this.pageLimit = 100;
    this.orderMode = "at once";
    this.mayDeleteOrders = true;
    this.resolutionMs = 1_000;
    this.now = () => Date.now();
  }

  /** Everything that is left, by kind. */
  get contents(): { secrets: number; orders: number; containers: number } {
    const { secrets, orders, containers } = this;
    return { secrets: secrets.size, orders: orders.size, containers: containers.size };
  }

  handle({ method, path, headers, body }: Seen): Reply {
    const url = new URL(path, "http://fake");
    if (url.pathname === "/") return this.#versions();
    if (!url.pathname.startsWith("/v1/")) return { status: 404, bytes: Buffer.from("<html>") };
    const identity = this.#identify(headers["x-auth-token"]);
    if (identity === undefined) {
      return { status: 401, json: { error: { code: 401, title: "Unauthorized", message: "x" } } };
    }
    const asked =
      /^key-manager (1\.\d)$/.exec(headers["openstack-api-version"] ?? "")?.[1] ?? "1.0";
    if (this.microversion !== "none" && asked > this.microversion) return { status: 406 };
    const call: Call = {
      method,
      segments: url.pathname.slice("/v1/".length).split("/").filter(Boolean),
      query: url.searchParams,
      headers,
      body,
      identity,
      microversion: this.microversion === "none" ? "1.0" : asked,
    };
    try {
      return this.#route(call);
    } catch (error) {
      if (error instanceof Refusal) return refusal(error.status, error.description);
      throw error;
    }
  }

  /** Fulfils every pending order, as a worker does. */
  work(): void {
    for (const order of this.orders.values()) if (order.status === "PENDING") this.#fulfil(order);
  }

  #versions(): Reply {
    if (this.microversion === "none" || this.microversion === "1.0") {
      return { status: 300, json: { versions: { values: [{ id: "v1", status: "stable" }] } } };
    }
    const v1 = { id: "v1", status: "CURRENT", min_version: "1.0", max_version: this.microversion };
    return { status: 300, json: { versions: [v1] } };
  }

  #route(call: Call): Reply {
    const [kind, id, part] = call.segments;
    if (kind === "secrets") {
      if (id === undefined) return call.method === "POST" ? this.#store(call) : this.#list(call);
      if (part !== undefined) return this.#partOfSecret(call, this.#secret(call, id), part);
      return this.#oneSecret(call, this.#secret(call, id));
    }
    if (kind === "orders") {
      return id === undefined ? this.#orderCollection(call) : this.#oneOrder(call, id);
    }
    if (kind === "containers") {
      return id === undefined ? this.#containerCollection(call) : this.#oneContainer(call, id);
    }
    throw new Refusal(404, "");
  }

  #store(call: Call): Reply {
    const fields = json(call);
    const id = randomUUID();
    const { payload, payload_content_type: type, payload_content_encoding: encoding } = fields;
    const { expiration } = fields;
    if (typeof expiration === "string" && Date.parse(expiration) <= this.now()) {
      throw new Refusal(400, "Secret creation issue seen - the expiration is past.");
    }
    const contentType = typeof type === "string" ? type : undefined;
    const bytes =
      typeof payload === "string"
        ? Buffer.from(payload, encoding === "base64" ? "base64" : "utf8")
        : undefined;
    if (typeof payload === "string" && payload.length > 20_000) throw new Refusal(413, "too large");
    this.#keep({ id, owner: call.identity, fields, payload: bytes, contentType });
    return { status: 201, json: { secret_ref: this.#ref("secrets", id) } };
  }

  #keep(
    secret: Pick<FakeSecret, "id" | "owner" | "fields" | "payload" | "contentType">,
  ): FakeSecret {
    const created = this.#timestamp();
    const kept = { ...secret, created, updated: created, consumers: [], metadata: {} };
    this.secrets.set(secret.id, kept);
    return kept;
  }

  #secret({ identity, method, segments }: Call, id: string): FakeSecret {
    const secret = this.secrets.get(id);
    const expiration = secret?.fields["expiration"];
    if (
      secret === undefined ||
      (typeof expiration === "string" && Date.parse(expiration) <= this.now())
    ) {
      throw new Refusal(404, "Not Found. Sorry but your secret is in another castle.");
    }
    const { users = [], project = true } = secret.acl ?? {};
    const own = secret.owner.projectId === identity.projectId;
    const reads = method === "GET" && segments[2] !== "acl";
    const may =
      (own && (project || secret.owner.userId === identity.userId)) ||
      (reads && users.includes(identity.userId));
    if (!may) throw new Refusal(403, "Secret retrieval attempt not allowed - please review");
    return secret;
  }

  #oneSecret(call: Call, secret: FakeSecret): Reply {
    switch (call.method) {
      case "GET":
        return { status: 200, json: this.#describe(secret, call.microversion) };
      case "DELETE": {
        const forced = call.query.get("force") === "true";
        if (call.microversion >= "1.2" && secret.consumers.length > 0 && !forced) {
          throw new Refusal(400, "Secret deletion issue seen - it has consumers.");
        }
        this.secrets.delete(secret.id);
        for (const container of this.containers.values())
          container.members = container.members.filter(({ secretId }) => secretId !== secret.id);
        return { status: 204 };
      }
      case "PUT":
        if (secret.payload !== undefined) throw new Refusal(409, "Secret already has data.");
        if (!/^(text\/plain|application\/octet-stream)/.test(call.headers["content-type"] ?? ""))
          throw new Refusal(415, "content type");
        secret.payload = call.body;
        secret.contentType = call.headers["content-type"]?.split(";")[0];
        return { status: 204 };
      default:
        throw new Refusal(405, "");
    }
  }

  #partOfSecret(call: Call, secret: FakeSecret, part: string): Reply {
    const { method } = call;
    if (part === "payload" && method === "GET") {
      if (secret.payload === undefined) throw new Refusal(404, "Not Found. It has no payload.");
      return {
        status: 200,
        headers: { "content-type": call.headers["accept"] ?? "" },
        bytes: secret.payload,
      };
    }
    if (part === "consumers" && this.microversion !== "none") return this.#consumers(call, secret);
    if (part === "metadata") return this.#metadata(call, secret);
    if (part === "acl") return this.#acl(call, secret);
    throw new Refusal(404, "");
  }

  #consumers(call: Call, secret: FakeSecret): Reply {
    if (call.method === "GET") return page(call, this.pageLimit, "consumers", secret.consumers);
    const consumer = json(call) as Record<string, string>;
    const others = secret.consumers.filter((known) => !sameFields(known, consumer));
    const isKnown = others.length < secret.consumers.length;
    if (call.method === "DELETE" && !isKnown) throw new Refusal(404, "Consumer not found.");
    secret.consumers = call.method === "DELETE" ? others : [...others, consumer];
    return { status: 200, json: this.#describe(secret, "1.1") };
  }

  #metadata(call: Call, secret: FakeSecret): Reply {
    if (call.method === "PUT") {
      secret.metadata = json(call)["metadata"] as Record<string, string>;
      return { status: 201, json: { metadata_ref: "x" } };
    }
    return { status: 200, json: { metadata: secret.metadata } };
  }

  #acl(call: Call, secret: FakeSecret): Reply {
    if (call.method === "PUT") {
      const read = json(call)["read"] as Record<string, unknown>;
      const users = [...new Set((read["users"] as string[] | undefined) ?? [])];
      secret.acl = { users, project: read["project-access"] !== false };
      return { status: 200, json: { acl_ref: "x" } };
    }
    const { acl } = secret;
    const read = acl === undefined ? {} : { users: acl.users };
    return { status: 200, json: { read: { ...read, "project-access": acl?.project ?? true } } };
  }

  #list(call: Call): Reply {
    const since = call.query.get("created")?.replace(/^gte:/, "") ?? "";
    const type = call.query.get("secret_type");
    const items = [...this.secrets.values()].filter(
      ({ owner, created, fields }) =>
        owner.projectId === call.identity.projectId &&
        created >= since &&
        (type === null || typeOf(fields) === type) &&
        isLike(call.query.get("name"), fields["name"]),
    );
    items.sort((a, b) => (a.created === b.created ? byName(a, b) : a.created < b.created ? -1 : 1));
    return page(
      call,
      this.pageLimit,
      "secrets",
      items.map((secret) => this.#describe(secret, call.microversion)),
    );
  }

  #describe(secret: FakeSecret, microversion: string): object {
    const { fields, owner, contentType, consumers, created, updated, payload } = secret;
    return {
      created,
      updated,
      status: "ACTIVE",
      name: fields["name"] ?? null,
      secret_type: typeOf(fields),
      expiration: fields["expiration"] ?? null,
      algorithm: fields["algorithm"] ?? null,
      bit_length: fields["bit_length"] ?? null,
      mode: fields["mode"] ?? null,
      creator_id: owner.userId,
      ...(microversion >= "1.1" && { consumers }),
      ...(payload !== undefined && { content_types: { default: contentType } }),
      secret_ref: this.#ref("secrets", secret.id),
    };
  }

  #orderCollection(call: Call): Reply {
    if (call.method === "GET") {
      const meta = call.query.get("meta");
      const items = [...this.orders.values()].filter(
        (order) =>
          order.owner.projectId === call.identity.projectId &&
          (meta === null || JSON.stringify(order.meta).includes(`"${meta}"`)),
      );
      return page(
        call,
        this.pageLimit,
        "orders",
        items.map((order) => this.#describeOrder(order)),
      );
    }
    const { type, meta } = json(call) as { type: string; meta: Record<string, unknown> };
    const order: FakeOrder = {
      id: randomUUID(),
      owner: call.identity,
      type,
      meta,
      created: this.#timestamp(),
      status: "PENDING",
    };
    this.orders.set(order.id, order);
    if (this.orderMode === "at once") this.#fulfil(order);
    return { status: 202, json: { order_ref: this.#ref("orders", order.id) } };
  }

  #oneOrder(call: Call, id: string): Reply {
    const order = this.orders.get(id);
    if (order === undefined || order.owner.projectId !== call.identity.projectId) {
      throw new Refusal(404, "Not Found. Sorry but your order is in another castle.");
    }
    if (call.method === "GET") return { status: 200, json: this.#describeOrder(order) };
    if (!this.mayDeleteOrders) throw new Refusal(403, "Order deletion attempt not allowed");
    this.orders.delete(id);
    return { status: 204 };
  }

  #describeOrder(order: FakeOrder): object {
    return {
      created: order.created,
      updated: order.created,
      status: order.status,
      type: order.type,
      meta: { expiration: null, ...order.meta },
      creator_id: order.owner.userId,
      order_ref: this.#ref("orders", order.id),
      ...(order.secretId !== undefined && { secret_ref: this.#ref("secrets", order.secretId) }),
      ...(order.containerId !== undefined && {
        container_ref: this.#ref("containers", order.containerId),
      }),
      ...(order.error !== undefined && {
        error_status_code: order.error.code,
        error_reason: order.error.reason,
      }),
    };
  }

  #fulfil(order: FakeOrder): void {
    const { owner, meta } = order;
    const bits = meta["bit_length"] as number;
    const algorithm = String(meta["algorithm"]).toLowerCase();
    const allowed = meta["mode"] === "xts" ? [128, 256, 384, 512] : [64, 128, 192, 256];
    const failed = (code: string, reason: string) => {
      order.status = "ERROR";
      order.error = { code, reason: `Process TypeOrder issue seen - ${reason}.` };
    };
    const keep = (type: string, payload: Buffer) =>
      this.#keep({
        id: randomUUID(),
        owner,
        fields: { ...meta, secret_type: type },
        payload,
        contentType: "application/octet-stream",
      }).id;
    if (order.type === "key") {
      if (!/^(aes|des|hmacsha\d+)$/.test(algorithm)) return failed("400", "no such algorithm");
      if (!allowed.includes(bits)) return failed("500", "contact the administrator");
      order.secretId = keep("symmetric", randomBytes(bits / 8));
    } else {
      if (algorithm !== "rsa") return failed("400", "no such algorithm");
      const pair = generateKeyPairSync("rsa", { modulusLength: bits });
      const members = [
        {
          name: "private_key",
          secretId: keep(
            "private",
            Buffer.from(pair.privateKey.export({ type: "pkcs8", format: "pem" })),
          ),
        },
        {
          name: "public_key",
          secretId: keep(
            "public",
            Buffer.from(pair.publicKey.export({ type: "spki", format: "pem" })),
          ),
        },
      ];
      order.containerId = randomUUID();
      this.containers.set(order.containerId, {
        id: order.containerId,
        owner,
        name: meta["name"],
        type: "rsa",
        members,
      });
    }
    order.status = "ACTIVE";
    return undefined;
  }

  #containerCollection(call: Call): Reply {
    const items = [...this.containers.values()].filter(({ name }) =>
      isLike(call.query.get("name"), name),
    );
    return page(
      call,
      this.pageLimit,
      "containers",
      items.map((item) => this.#describeContainer(item)),
    );
  }

  #oneContainer(call: Call, id: string): Reply {
    const container = this.containers.get(id);
    if (container === undefined) throw new Refusal(404, "Not Found. Container not found.");
    if (call.method === "GET") return { status: 200, json: this.#describeContainer(container) };
    this.containers.delete(id);
    return { status: 204 };
  }

  #describeContainer({ id, name, type, owner, members }: FakeContainer): object {
    return {
      created: "2026-01-01T00:00:00",
      updated: "2026-01-01T00:00:00",
      status: "ACTIVE",
      name,
      type,
      creator_id: owner.userId,
      secret_refs: members.map(({ name: member, secretId }) => ({
        name: member,
        secret_ref: this.#ref("secrets", secretId),
      })),
      consumers: [],
      container_ref: this.#ref("containers", id),
    };
  }

  #ref(kind: string, id: string): string {
    return `${this.hostHref}/v1/${kind}/${id}`;
  }

  #timestamp(): string {
    const at = Math.floor(this.now() / this.resolutionMs) * this.resolutionMs;
    return new Date(at).toISOString().replace(/(\.000)?Z$/, "");
  }
}

interface Call {
  readonly method: string;
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly identity: Identity;
  readonly microversion: string;
}

class Refusal extends Error {
  readonly status: number;
  readonly description: string;

  constructor(status: number, description: string) {
    super(description);
    this.status = status;
    this.description = description;
  }
}

/** Barbican's error body. */
export function refusal(status: number, description: string): Reply {
  return { status, json: { code: status, title: "Refused", description } };
}

/** Barbican strips every text of a JSON body. */
function json({ body }: Call): Record<string, unknown> {
  return JSON.parse(body.toString("utf8"), strip) as Record<string, unknown>;
}

function strip(_key: string, value: unknown): unknown {
  return typeof value === "string" ? value.trim() : value;
}

function byName(a: FakeSecret, b: FakeSecret): number {
  return String(a.fields["name"]) < String(b.fields["name"]) ? -1 : 1;
}

function typeOf(fields: Record<string, unknown>): string {
  return typeof fields["secret_type"] === "string" ? fields["secret_type"] : "opaque";
}

function page(call: Call, max: number, plural: string, items: readonly object[]): Reply {
  const limit = Math.min(Number(call.query.get("limit") ?? 10), max);
  const offset = Number(call.query.get("offset") ?? 0);
  return {
    status: 200,
    json: { [plural]: items.slice(offset, offset + limit), total: items.length },
  };
}

/** SQL's LIKE as MySQL has it, on a value that is decoded a second time. */
function isLike(pattern: string | null, text: unknown): boolean {
  if (pattern === null) return true;
  const decoded = decodeURIComponent(pattern.replaceAll("+", " "));
  const source = decoded
    .replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll("%", ".*")
    .replaceAll("_", ".");
  return new RegExp(`^${source}$`, "is").test(String(text));
}

function sameFields(a: Record<string, string>, b: Record<string, string>): boolean {
  return Object.keys(b).every((key) => a[key] === b[key]);
}
