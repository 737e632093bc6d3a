import { serveCalls } from "../harness/calls.ts";
import { serveTransfers } from "../peers/transferServer.ts";

// Limit of the transports of W1: the peers' server with nothing behind it.

serveCalls({ start: () => serveTransfers(() => true) });
