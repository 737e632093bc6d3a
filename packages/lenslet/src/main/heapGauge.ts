import v8 from "node:v8";
import vm from "node:vm";
import type { HeapGauge } from "../engine/memoryWatch.ts";

/** The heap of the thread that calls this; to be called before the thread has contexts of user code. */
export function createHeapGauge(): HeapGauge {
  const collect = collector();
  return {
    read: () => {
      const { used_heap_size: heapBytes, external_memory: bufferBytes } = v8.getHeapStatistics();
      return { heapBytes, bufferBytes };
    },
    collect: (extent) => {
      if (extent === "all") collect({ type: "major" });
      // Dead ArrayBuffers are freed in the background, and counted as freed when the next collection begins.
      collect({ type: "minor" });
    },
  };
}

/** V8's own function, which a context has when the flag is set as it is made: user code must not have it. */
function collector(): (options: { readonly type: "major" | "minor" }) => void {
  v8.setFlagsFromString("--expose-gc");
  try {
    return vm.runInNewContext("gc") as ReturnType<typeof collector>;
  } finally {
    v8.setFlagsFromString("--no-expose-gc");
  }
}
