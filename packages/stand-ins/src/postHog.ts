import { Service } from "./service.ts";

export interface CapturedEvent {
  readonly event: string;
  readonly distinctId: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

interface Capture {
  readonly event: string;
  readonly distinct_id?: string;
  readonly properties?: Readonly<Record<string, unknown>> & { readonly distinct_id?: string };
}

const eventsMax = 10_000;

/** PostHog as far as taking events goes. `GET /events` lists what was captured, the newest last. */
export async function startPostHog(
  port = 0,
): Promise<Service & { readonly events: readonly CapturedEvent[] }> {
  const events: CapturedEvent[] = [];
  const keep = ({ event, distinct_id: distinctId, properties = {} }: Capture): void => {
    events.push({ event, distinctId: distinctId ?? properties.distinct_id ?? "", properties });
    if (events.length > eventsMax) events.shift();
  };
  const service = await Service.start(({ method, path, text }) => {
    if (method === "GET" && path === "/events") return { body: events };
    if (method !== "POST" || !/^\/(batch|capture|e|i\/v0\/e)\/?$/.test(path))
      return { status: 404, body: { detail: `There is no ${method} ${path}` } };
    const body = JSON.parse(text) as Capture & {
      readonly api_key?: string;
      readonly batch?: readonly Capture[];
    };
    if (body.api_key === undefined)
      return { status: 401, body: { type: "authentication_error", detail: "API key is missing." } };
    for (const capture of body.batch ?? [body]) keep(capture);
    return { body: { status: 1 } };
  }, port);
  return Object.assign(service, { events });
}
