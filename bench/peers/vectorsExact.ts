import { childConfig, serveCalls } from "../harness/calls.ts";
import { ExactVectors } from "./exactVectors.ts";
import { serveVectors } from "./vectorsServer.ts";

// Limit of W9: a look at every vector, all of them in memory.

const { count } = childConfig() as { count: number };

serveCalls({
  start: () => serveVectors(new ExactVectors(count)),
});
