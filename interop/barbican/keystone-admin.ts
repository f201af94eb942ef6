/** The few Keystone v3 calls that set the lab up: https://docs.openstack.org/api-ref/identity/v3/ */

/** What a password login needs. */
export interface Login {
  readonly username: string;
  readonly password: string;
  readonly projectName: string;
}

export interface Endpoint {
  readonly id: string;
  readonly interface: string;
  readonly region_id: string;
}

type Json = Readonly<Record<string, unknown>>;

/** Logs in with a password, scoped to a project of the default domain. */
export async function passwordToken(keystoneUrl: string, login: Login): Promise<string> {
  const domain = { id: "default" };
  const user = { name: login.username, domain, password: login.password };
  return issueToken(keystoneUrl, {
    identity: { methods: ["password"], password: { user } },
    scope: { project: { name: login.projectName, domain } },
  });
}

/** Logs in with an application credential. */
export async function applicationCredentialToken(
  keystoneUrl: string,
  credential: { readonly id: string; readonly secret: string },
): Promise<string> {
  return issueToken(keystoneUrl, {
    identity: { methods: ["application_credential"], application_credential: { ...credential } },
  });
}

async function issueToken(keystoneUrl: string, auth: Json): Promise<string> {
  const response = await fetch(`${keystoneUrl}/auth/tokens`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ auth }),
  });
  const token = response.headers.get("x-subject-token");
  await response.body?.cancel();
  if (response.status !== 201 || token === null) {
    throw new Error(`log in to ${keystoneUrl}: status ${response.status}`);
  }
  return token;
}

/** Keystone's REST interface under one token. */
export class KeystoneAdmin {
  readonly #url: string;
  readonly #token: string;

  constructor(keystoneUrl: string, token: string) {
    this.#url = keystoneUrl;
    this.#token = token;
  }

  /** Sends one request; `expected` are the statuses that count as success. Resolves with the body, `{}` if empty. */
  async call(
    method: string,
    path: string,
    expected: readonly number[],
    body?: Json,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Json> {
    const response = await fetch(`${this.#url}/${path}`, {
      method,
      headers: { "x-auth-token": this.#token, "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!expected.includes(response.status)) {
      throw new Error(`${method} ${path}: status ${response.status}: ${text.slice(0, 300)}`);
    }
    return text === "" || response.status === 404 ? {} : (JSON.parse(text) as Json);
  }

  /** Id of the object of that name, made with `extra` members if there is none. */
  async ensure(kind: string, name: string, extra: Json = {}): Promise<string> {
    const found = await this.call("GET", `${kind}s?name=${encodeURIComponent(name)}`, [200]);
    const existing = (found[`${kind}s`] as { id: string }[])[0];
    if (existing !== undefined) return existing.id;
    const made = await this.call("POST", `${kind}s`, [201], { [kind]: { name, ...extra } });
    return (made[kind] as { id: string }).id;
  }

  /** Id of the service of that type. @throws Error if the catalog has none */
  async serviceId(type: string): Promise<string> {
    const found = await this.call("GET", `services?type=${type}`, [200]);
    const [service] = found["services"] as { readonly id: string }[];
    if (service === undefined) throw new Error(`Keystone: no service of type ${type}`);
    return service.id;
  }

  /** Makes `url` the public, internal and admin endpoint of the service in the region, and has the catalog show it. */
  async ensureEndpoint(serviceId: string, region: string, url: string): Promise<void> {
    await this.ensureRegion(region);
    const found = (await this.endpoints(serviceId)).filter((one) => one.region_id === region);
    for (const name of ["public", "internal", "admin"]) {
      const existing = found.find((endpoint) => endpoint.interface === name);
      if (existing) await this.showEndpoint(existing.id, true);
      else {
        await this.call("POST", "endpoints", [201], {
          endpoint: { service_id: serviceId, interface: name, url, region_id: region },
        });
      }
    }
  }

  async endpoints(serviceId: string): Promise<readonly Endpoint[]> {
    const found = await this.call("GET", `endpoints?service_id=${serviceId}`, [200]);
    return found["endpoints"] as readonly Endpoint[];
  }

  /** Says whether the catalog shows an endpoint. */
  async showEndpoint(id: string, enabled: boolean): Promise<void> {
    await this.call("PATCH", `endpoints/${id}`, [200], { endpoint: { enabled } });
  }

  /** Deletes a region with all its endpoints; does nothing when there is none. */
  async removeRegion(region: string): Promise<void> {
    const found = (await this.call("GET", `endpoints?region_id=${region}`, [200]))["endpoints"];
    for (const endpoint of found as { id: string }[]) {
      await this.call("DELETE", `endpoints/${endpoint.id}`, [204, 404]);
    }
    await this.call("DELETE", `regions/${region}`, [204, 404]);
  }

  async ensureRegion(region: string): Promise<void> {
    const found = await this.call("GET", `regions/${region}`, [200, 404]);
    if ("region" in found) return;
    await this.call("POST", "regions", [201], { region: { id: region } });
  }

  async grant(projectId: string, userId: string, roleId: string): Promise<void> {
    await this.call("PUT", `projects/${projectId}/users/${userId}/roles/${roleId}`, [204]);
  }
}
