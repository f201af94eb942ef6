export type { HttpUrl } from "../config/http-url.ts";
export { type PublicUrl, parsePublicUrl } from "../config/public-url.ts";
export type { ClientAddress } from "../model/client-address.ts";
export type { Principal } from "../model/principal.ts";
export {
  MalformedTarget,
  parseRequestTarget,
  type RequestTarget,
} from "../model/request-target.ts";
export type { AccessRule } from "./access-rules.ts";
export {
  Administration,
  type AdministrationParts,
  type UserInfo,
} from "./builtin/administration.ts";
export type { BuiltinIdentity } from "./builtin/builtin-identity.ts";
export type { BuiltinIdentityOptions, IdentityEvent } from "./builtin/builtin-options.ts";
export { type FirstStartOptions, firstNames, makeFirstUser } from "./builtin/first-start.ts";
export { IdentityApiError, type IdentityApiErrorCode } from "./builtin/identity-api-error.ts";
export type { IdentityStore } from "./builtin/identity-store.ts";
export type { KeystoneApi } from "./builtin/keystone-api/keystone-api.ts";
export type { ApiRequest, ApiResponse } from "./builtin/keystone-api/route.ts";
export type { LoginLimiterOptions } from "./builtin/login-limiter.ts";
export {
  type BuiltinIdentityService,
  openBuiltinIdentity,
} from "./builtin/open-builtin-identity.ts";
export { PasswordHasher, type PasswordHasherOptions } from "./builtin/password-hasher.ts";
export type {
  ApplicationCredentialBasis,
  ApplicationCredentialRecord,
  Assignment,
  ProjectRecord,
  TokenBasis,
  TokenContext,
  TokenRecord,
  UserRecord,
} from "./builtin/records.ts";
export { SqlIdentityStore } from "./builtin/sql/sql-identity-store.ts";
export type { AskedFor, Identity, IdentityHeaders } from "./identity.ts";
export { IdentityError, type IdentityErrorCode } from "./identity-error.ts";
export { KeystoneIdentity } from "./keystone/keystone-identity.ts";
export type { KeystoneIdentityOptions, ServiceCredentials } from "./keystone/keystone-options.ts";
export { type Refusal, refusal } from "./refusal.ts";
