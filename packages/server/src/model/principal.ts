import type { ClientAddress } from "./client-address.ts";

/** Who a request is made by, as an identity token says; from nothing else. */
export interface Principal {
  readonly userId: string;
  readonly userName?: string;
  readonly projectId: string;
  readonly domainId?: string;
  /** As the token lists them. Policy expands implied roles (admin ⇒ manager ⇒ member ⇒ reader) itself. */
  readonly roles: readonly string[];
  /** Roles of the service that relays the request, when it sent a valid service token. */
  readonly serviceRoles?: readonly string[];
  readonly requestId: string;
  /** Where the request came from: for the audit record, never for a decision. */
  readonly address?: ClientAddress;
}
