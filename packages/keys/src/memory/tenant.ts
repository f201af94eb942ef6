import {
  type Caller,
  type DomainReference,
  refuseNobody,
  type Scope,
  type UserReference,
} from "../model/caller.ts";
import { KeyManagerError } from "../model/errors.ts";

/** Whose an object is, as far as a caller's own words tell. */
export interface Tenant {
  readonly project: string;
  readonly user: string;
}

/** Nobody checks credentials here: two callers are of one project if they name it the same way. */
export function tenantOf(caller: Caller): Tenant {
  refuseNobody(caller);
  switch (caller.type) {
    case "project":
      return { project: caller.projectId, user: caller.userId };
    case "password":
      return { project: projectOf(caller.scope), user: userOf(caller.user) };
    case "token":
      return { project: projectOf(caller.scope), user: "token" };
    case "application_credential": {
      const { credential } = caller;
      const name =
        "id" in credential ? credential.id : `${userOf(credential.user)}/${credential.name}`;
      return { project: `application credential ${name}`, user: name };
    }
  }
}

function projectOf(scope: Scope): string {
  switch (scope.type) {
    case "project":
      return "id" in scope ? scope.id : `${domainOf(scope.domain)}/${scope.name}`;
    case "trust":
      return `trust ${scope.id}`;
    case "domain":
    case "unscoped":
      throw new KeyManagerError(
        "unauthenticated",
        `a caller of scope "${scope.type}" belongs to no project`,
      );
  }
}

function userOf(user: UserReference): string {
  return "id" in user ? user.id : `${domainOf(user.domain)}/${user.name}`;
}

function domainOf(domain: DomainReference): string {
  return "id" in domain ? domain.id : domain.name;
}
