import { assert } from "../base/assert.ts";
import type { LoadedDeployment } from "./deployment.ts";
import { matchHttpRoute } from "./httpRouting.ts";

/** Answer of "http.prepare": who answers a request to the site. */
export type PreparedHttpAction =
  | {
      readonly kind: "run";
      readonly componentPath: string;
      /** Names the code it runs, see "code.load". */
      readonly codeId: string;
      /** What the component's router is asked for. */
      readonly localPath: string;
      /** For the log: the route, or the path when only the router itself may know one. */
      readonly identifier: string;
    }
  | { readonly kind: "nobody" }
  | { readonly kind: "disabled" }
  | { readonly kind: "paused" };

export function prepareHttpAction(
  deployment: LoadedDeployment,
  method: string,
  path: string,
): PreparedHttpAction {
  const match = matchHttpRoute(deployment.httpRoutes, method, path);
  if (match.kind === "disabled" || match.kind === "nobody") return { kind: match.kind };
  if (deployment.paused) return { kind: "paused" };
  const { componentPath, localPath } = match;
  const component = deployment.components.get(componentPath);
  assert(component !== undefined, "routes name components of their deployment");
  const route = match.kind === "routed" ? match.route : { method, path };
  return {
    kind: "run",
    componentPath,
    codeId: component.code.id,
    localPath,
    identifier: `${route.method} ${route.path}`,
  };
}
