import { serveCalls } from "../harness/calls.ts";
import { type EventRow, serveEvents } from "../peers/eventsServer.ts";

// Limit of W2: a ws server that answers with a page of the right size and looks nothing up.

serveCalls({
  start: () =>
    serveEvents({
      insert: () => undefined,
      page: (channel, from) =>
        Array.from({ length: 10 }, (_, n): EventRow => ({
          channel,
          rand: from + n,
          body: `row ${n} of the seed`,
        })),
    }),
});
