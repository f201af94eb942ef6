import type { PublicUrl } from "../../../config/public-url.ts";
import type { UserInfo } from "../administration.ts";
import { derivedId } from "../random-ids.ts";
import {
  type ApplicationCredentialRecord,
  type Assignment,
  defaultDomain,
  type ProjectRecord,
} from "../records.ts";
import type { LiveToken } from "../token-keeper.ts";

/** Renders what the interface answers with. Shapes: https://docs.openstack.org/api-ref/identity/v3/ */
export class Documents {
  readonly #publicUrl: () => PublicUrl;
  readonly #region: string;

  constructor(options: { readonly publicUrl: () => PublicUrl; readonly region: string }) {
    this.#publicUrl = options.publicUrl;
    this.#region = options.region;
  }

  get identityUrl(): string {
    return `${this.#publicUrl()}/v3`;
  }

  version(): object {
    return {
      id: "v3.14",
      status: "stable",
      updated: "2020-04-07T00:00:00Z",
      links: [{ rel: "self", href: `${this.identityUrl}/` }],
      "media-types": [
        { base: "application/json", type: "application/vnd.openstack.identity-v3+json" },
      ],
    };
  }

  token(live: LiveToken, { withCatalog }: { readonly withCatalog: boolean }): object {
    const { token, user, project, applicationCredential } = live;
    return {
      token: {
        methods: token.methods,
        user: { id: user.id, name: user.name, domain: defaultDomain, password_expires_at: null },
        audit_ids: token.auditIds,
        issued_at: time(token.issuedAtMs),
        expires_at: time(token.expiresAtMs),
        ...(project && {
          project: { id: project.id, name: project.name, domain: defaultDomain },
          is_domain: false,
          roles: live.roles.map(role),
          ...(withCatalog && { catalog: this.catalog() }),
        }),
        ...(applicationCredential && {
          application_credential: {
            id: applicationCredential.id,
            name: applicationCredential.name,
            restricted: !applicationCredential.unrestricted,
            ...(applicationCredential.accessRules && {
              access_rules: applicationCredential.accessRules,
            }),
          },
        }),
      },
    };
  }

  catalog(): readonly object[] {
    return [
      this.#service("identity", "keystone", this.identityUrl),
      // Unversioned: clients add /v1 themselves, and python-barbicanclient asks the root for its versions.
      this.#service("key-manager", "barbican", this.#publicUrl()),
    ];
  }

  user(user: UserInfo): object {
    return {
      id: user.id,
      name: user.name,
      domain_id: defaultDomain.id,
      enabled: user.enabled,
      password_expires_at: null,
      options: {},
      links: { self: `${this.identityUrl}/users/${user.id}` },
    };
  }

  project(project: ProjectRecord): object {
    return {
      id: project.id,
      name: project.name,
      description: project.description,
      domain_id: defaultDomain.id,
      parent_id: defaultDomain.id,
      is_domain: false,
      enabled: project.enabled,
      tags: [],
      options: {},
      links: { self: `${this.identityUrl}/projects/${project.id}` },
    };
  }

  role(name: string): object {
    const { id } = role(name);
    return {
      id,
      name,
      domain_id: null,
      description: null,
      options: {},
      links: { self: `${this.identityUrl}/roles/${id}` },
    };
  }

  assignment({ userId, projectId, role: name }: Assignment): object {
    const { id } = role(name);
    return {
      role: { id, name },
      user: { id: userId },
      scope: { project: { id: projectId } },
      links: {
        assignment: `${this.identityUrl}/projects/${projectId}/users/${userId}/roles/${id}`,
      },
    };
  }

  /** @param secret given only in the answer to its creation. */
  applicationCredential(record: ApplicationCredentialRecord, secret?: string): object {
    return {
      id: record.id,
      name: record.name,
      description: record.description,
      ...(secret !== undefined && { secret }),
      user_id: record.userId,
      project_id: record.projectId,
      system: null,
      roles: record.roles.map((name) => ({ ...role(name), domain_id: null })),
      unrestricted: record.unrestricted,
      expires_at: record.expiresAtMs === undefined ? null : time(record.expiresAtMs),
      ...(record.accessRules && {
        access_rules: record.accessRules.map((rule, index) => ({
          id: derivedId("access_rule", `${record.id}:${index}`),
          ...rule,
        })),
      }),
      links: {
        self: `${this.identityUrl}/users/${record.userId}/application_credentials/${record.id}`,
      },
    };
  }

  /** A list under its plural name. All of it fits on one page. */
  list(name: string, items: readonly object[], path: string): object {
    return {
      [name]: items,
      links: { self: `${this.identityUrl}${path}`, previous: null, next: null },
    };
  }

  #service(type: string, name: string, url: string): object {
    return {
      id: derivedId("service", type),
      type,
      name,
      endpoints: ["public", "internal", "admin"].map((access) => ({
        id: derivedId("endpoint", `${type}:${access}`),
        interface: access,
        region: this.#region,
        region_id: this.#region,
        url,
      })),
    };
  }
}

/** Roles are names here; their ids are made of them. */
export function roleId(name: string): string {
  return derivedId("role", name);
}

function role(name: string): { readonly id: string; readonly name: string } {
  return { id: roleId(name), name };
}

function time(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace("Z", "000Z");
}
