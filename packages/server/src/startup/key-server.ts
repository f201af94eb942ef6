import { readFileSync } from "node:fs";
import type { FastifyInstance } from "fastify";
import { AuditTrail } from "../audit/audit-trail.ts";
import { sealMac } from "../audit/chain/audit-keys.ts";
import { auditKeys } from "../audit/open-audit.ts";
import { SegmentKeeper } from "../audit/segment-keeper.ts";
import { defaultSegmentLimits, type SegmentLimits } from "../audit/segment-sealer.ts";
import type { PublicUrl } from "../config/public-url.ts";
import type { RootKeyRing } from "../crypto/root-key/ring.ts";
import { createApp } from "../http/app.ts";
import { ClientAddresses, type ClientAddressesOptions } from "../http/client-addresses.ts";
import { keystoneRoutes } from "../http/keystone-routes.ts";
import { RequestLog } from "../http/request-log.ts";
import { type Certificate, useCertificate } from "../http/tls.ts";
import type { KeystoneApi } from "../identity/builtin/keystone-api/keystone-api.ts";
import type { Identity } from "../identity/identity.ts";
import { type Clock, systemClock } from "../model/clock.ts";
import type { Logger } from "../observe/log.ts";
import { Metrics } from "../observe/metrics.ts";
import type { Aes512 } from "../orders/algorithms.ts";
import { KeyPairGenerator, type KeyPairMaker } from "../orders/key-pair-generator.ts";
import { createContext } from "../parts/create-context.ts";
import type { Policy } from "../policy/policy.ts";
import { absentRoutes } from "../routes/absent-routes.ts";
import { aclRoutes } from "../routes/acl-routes.ts";
import type { KeyManagerEndpoint } from "../routes/api.ts";
import { containerConsumerRoutes, secretConsumerRoutes } from "../routes/consumer-routes.ts";
import { containerRoutes } from "../routes/container-routes.ts";
import { metadataRoutes } from "../routes/metadata-routes.ts";
import { orderRoutes } from "../routes/order-routes.ts";
import type { PageSizes } from "../routes/query.ts";
import { quotaRoutes } from "../routes/quota-routes.ts";
import { Refs } from "../routes/refs.ts";
import { secretRoutes } from "../routes/secret-routes.ts";
import { versionRoutes } from "../routes/version-routes.ts";
import type { RowTagsOptions } from "../row-tagging/open-row-tags.ts";
import { AbsentFeatures } from "../services/absent-features.ts";
import { AclService } from "../services/acls.ts";
import { ContainerService } from "../services/containers.ts";
import type { ObjectLimits, ServiceContext } from "../services/context.ts";
import { MetadataService } from "../services/metadata.ts";
import { OrderAnswers, type Patience } from "../services/order-answers.ts";
import { OrderRunner } from "../services/order-runner.ts";
import { OrderService } from "../services/orders.ts";
import { QuotaService } from "../services/quotas.ts";
import { Retention } from "../services/retention.ts";
import { SecretConsumerService } from "../services/secret-consumers.ts";
import { SecretService } from "../services/secrets.ts";
import { TargetGate } from "../services/targets.ts";
import type { QuotaKind } from "../store/operations/quotas.ts";
import type { Store } from "../store/store.ts";

/** What a key server is put together from. */
export interface KeyServerParts {
  readonly store: Store;
  readonly rootKeys: RootKeyRing;
  readonly identity: Identity;
  /** The API of the built-in identity, served under /v3. Default: none. */
  readonly keystoneApi?: KeystoneApi;
  readonly policy: Policy;
  readonly log: Logger;
  /** The address that clients use, without `/v1`: the base of all refs. A function is asked for each request. */
  readonly publicUrl: string | (() => PublicUrl);
  /** Other addresses under which refs are accepted, as `publicUrl` once was. Default: none. */
  readonly acceptedAddresses?: readonly string[];
  /** See `createApp`. */
  readonly maxBodyBytes?: number;
  readonly maxPayloadBytes?: number;
  readonly pageSizes?: PageSizes;
  readonly requestTimeoutMs?: number;
  /** See ClientAddresses. Default: no proxy is trusted. */
  readonly proxies?: Omit<ClientAddressesOptions, "onIgnored">;
  readonly clock?: Clock;
  readonly tls?: Certificate;
  /** Negative, the default, is unlimited. */
  readonly defaultQuotas?: Partial<Record<QuotaKind, number>>;
  /** Default: 250 items of an object, 50 waiting orders of a project. */
  readonly limits?: Partial<ObjectLimits>;
  /** What makes the key pairs of orders. Default: processes of their own, see KeyPairGenerator. */
  readonly keyPairs?: KeyPairMaker;
  /** How long the answer to an order waits for its key pair. Default: two seconds. */
  readonly orderPatience?: Patience;
  /** Default `any`: every order for an AES key of 512 bits gets one. */
  readonly aes512?: Aes512;
  /** See OrderRunner's `pollMs`. */
  readonly orderPollMs?: number;
  /** How many times one project key may seal. Default 2^30. */
  readonly maxSealsOfKey?: number;
  /** Default 0: what is deleted is gone at once. */
  readonly deleteRetentionSeconds?: number;
  /** Default false, see AuditTrail. */
  readonly durableReadAudit?: boolean;
  /** When a part of the audit record is sealed. Default: `defaultSegmentLimits`. */
  readonly auditSegments?: SegmentLimits;
  /** Default: a database whose rows have no tags is refused. */
  readonly rowTags?: RowTagsOptions;
  /** Default true: GET /metrics is served. */
  readonly serveMetrics?: boolean;
}

/** A key server that does not listen yet. */
export interface KeyServer {
  readonly app: FastifyInstance;
  /** Everything behind identity. */
  readonly endpoints: readonly KeyManagerEndpoint[];
  readonly context: ServiceContext;
  readonly clients: ClientAddresses;
  /** Serves connections that begin from now on with another certificate. Does nothing for plain HTTP. */
  useCertificate(certificate: Certificate): void;
  /** Finishes what was accepted. Does not close the store. */
  close(): Promise<void>;
}

/**
 * Puts a key server together on an open store.
 *
 * @throws RootKeyError if the root keys are not those that the database was written with; `untagged_rows`; TypeError for an
 *   address that is none
 */
export async function createKeyServer(parts: KeyServerParts): Promise<KeyServer> {
  const { store, rootKeys, log, keystoneApi } = parts;
  const clock = parts.clock ?? systemClock();
  const context = await createContext({
    store,
    rootKeys,
    clock,
    policy: parts.policy,
    audit: new AuditTrail({ store, clock, durableReads: parts.durableReadAudit ?? false }),
    ...(parts.defaultQuotas && { defaultQuotas: parts.defaultQuotas }),
    ...(parts.limits && { limits: parts.limits }),
    ...(parts.maxSealsOfKey !== undefined && { maxSealsOfKey: parts.maxSealsOfKey }),
    ...(parts.deleteRetentionSeconds !== undefined && {
      deleteRetentionSeconds: parts.deleteRetentionSeconds,
    }),
    ...(parts.rowTags && { rowTags: parts.rowTags }),
  });
  const retention = new Retention(context);
  const segments = new SegmentKeeper({
    store,
    clock,
    key: sealMac((await auditKeys(store, rootKeys)).current),
    limits: parts.auditSegments ?? defaultSegmentLimits,
  });
  const metrics = new Metrics(
    () => context.audit.pending,
    () => segments.size,
  );
  const answers = new OrderAnswers(parts.orderPatience);
  const runner = new OrderRunner({
    context,
    answers,
    generator: parts.keyPairs ?? new KeyPairGenerator(),
    ...(parts.orderPollMs !== undefined && { pollMs: parts.orderPollMs }),
    onFinished: (outcome) => metrics.order(outcome),
    onTrouble: (error) => log.error({ error: String(error) }, "order processing"),
  });
  const orders = new OrderService({
    context,
    answers,
    wake: () => runner.wake(),
    forget: (id) => runner.forget(id),
    aes512: parts.aes512 ?? "any",
  });
  const gate = new TargetGate(context);
  const endpoints = allEndpoints(context, gate, orders);
  const clients = new ClientAddresses({
    ...parts.proxies,
    onIgnored: () =>
      log.warn(
        {},
        "requests have X-Forwarded-For or Forwarded headers; if they come from your proxy, set listen.trustedProxies",
      ),
  });
  const app = createApp({
    clients,
    identity: parts.identity,
    refs: new Refs(parts.publicUrl, parts.acceptedAddresses),
    ...(parts.maxBodyBytes !== undefined && { maxBodyBytes: parts.maxBodyBytes }),
    ...(parts.maxPayloadBytes !== undefined && { maxPayloadBytes: parts.maxPayloadBytes }),
    ...(parts.pageSizes && { pageSizes: parts.pageSizes }),
    ...(parts.requestTimeoutMs !== undefined && { requestTimeoutMs: parts.requestTimeoutMs }),
    build: packageVersion(),
    log: new RequestLog(log, metrics),
    ready: () => store.ping(),
    ...(keystoneApi && { identityVersion: () => keystoneApi.version() }),
    endpoints,
    gate,
    ...(parts.tls && { tls: parts.tls }),
    ...(parts.serveMetrics !== false && { metrics: () => metrics.text() }),
  });
  if (keystoneApi) keystoneRoutes(app, keystoneApi);
  await runner.start();
  retention.start();
  segments.start();
  return {
    app,
    endpoints,
    context,
    clients,
    useCertificate: (certificate) => useCertificate(app, certificate),
    async close() {
      answers.release();
      await app.close();
      await runner.stop();
      await retention.stop();
      await segments.stop();
      await context.audit.flush();
    },
  };
}

/** The whole surface behind identity. */
function allEndpoints(
  context: ServiceContext,
  gate: TargetGate,
  orders: OrderService,
): readonly KeyManagerEndpoint[] {
  const containers = new ContainerService(context);
  const aclsOf = (kind: "secret" | "container") =>
    new AclService({ kind, context, reload: (id) => gate.reload(kind, id) });
  const now = () => context.clock.timestamp();
  return [
    ...versionRoutes(),
    ...secretRoutes(new SecretService(context), now),
    ...metadataRoutes(new MetadataService(context)),
    ...aclRoutes("secret", aclsOf("secret")),
    ...secretConsumerRoutes(new SecretConsumerService(context)),
    ...containerRoutes(containers),
    ...aclRoutes("container", aclsOf("container")),
    ...containerConsumerRoutes(containers),
    ...orderRoutes(orders, now),
    ...quotaRoutes(new QuotaService(context)),
    ...absentRoutes(new AbsentFeatures()),
  ];
}

function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
