import type { DomainReference, KeystoneCaller, Scope, UserReference } from "../model/caller.ts";

/**
 * Lends the body of `POST /v3/auth/tokens` for a caller as JSON bytes, and zeroes them afterwards.
 *
 * https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management
 */
export function lendTokenRequest<T>(
  caller: KeystoneCaller,
  read: (body: Uint8Array) => Promise<T>,
): Promise<T> {
  return lendIdentity(caller, async (identity) => {
    const scope = caller.type === "application_credential" ? undefined : wireScope(caller.scope);
    const body = new TextEncoder().encode(JSON.stringify({ auth: { identity, scope } }));
    try {
      return await read(body);
    } finally {
      body.fill(0);
    }
  });
}

function lendIdentity<T>(
  caller: KeystoneCaller,
  read: (identity: object) => Promise<T>,
): Promise<T> {
  switch (caller.type) {
    case "password":
      return caller.password.useText((password) =>
        read({ methods: ["password"], password: { user: { ...wireUser(caller.user), password } } }),
      );
    case "token":
      return caller.token.useText((id) => read({ methods: ["token"], token: { id } }));
    case "application_credential": {
      const { credential } = caller;
      const named =
        "id" in credential
          ? { id: credential.id }
          : { name: credential.name, user: wireUser(credential.user) };
      return caller.secret.useText((secret) =>
        read({
          methods: ["application_credential"],
          application_credential: { ...named, secret },
        }),
      );
    }
  }
}

function wireUser(user: UserReference): object {
  return "id" in user ? { id: user.id } : { name: user.name, domain: wireDomain(user.domain) };
}

function wireDomain(domain: DomainReference): object {
  return "id" in domain ? { id: domain.id } : { name: domain.name };
}

function wireScope(scope: Scope): object | undefined {
  switch (scope.type) {
    case "project":
      return {
        project:
          "id" in scope ? { id: scope.id } : { name: scope.name, domain: wireDomain(scope.domain) },
      };
    case "domain":
      return { domain: wireDomain(scope.domain) };
    case "trust":
      return { "OS-TRUST:trust": { id: scope.id } };
    case "unscoped":
      return undefined;
  }
}
