import { ResponseFailure } from "./httpExchange.ts";
import { notAResponseText } from "./limits.ts";
import type { RunningAction } from "./runningAction.ts";

/** What `http.ts` exports by default, as far as it has been checked when it was pushed. */
interface Router {
  lookup(
    path: string,
    method: string,
  ): readonly [{ invokeHttpAction(request: Request): Promise<unknown> }] | null;
}

/**
 * Has the router find the function for a request, runs it, and sends its response to the end. Rejects with
 * ResponseFailure or with what user code throws.
 */
export async function respond(action: RunningAction, router: unknown): Promise<null> {
  const exchange = action.openHttp();
  const { request } = exchange;
  const routePath = action.run.http?.routePath ?? "/";
  const found = (router as Router).lookup(routePath, request.method);
  if (found === null || found === undefined) {
    await exchange.respond(new Response(`No HttpAction routed for ${routePath}`, { status: 404 }));
    return null;
  }
  const [target] = found;
  const response = await target.invokeHttpAction(request);
  if (!(response instanceof Response)) throw new ResponseFailure(notAResponseText);
  await exchange.respond(response);
  return null;
}
