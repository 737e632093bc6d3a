import { expect, it } from "vitest";
import { outOfMemoryText } from "../runner/limits.ts";
import { callHeapBytesMax, lookIntervalMs, MemoryWatch } from "./memoryWatch.ts";

/** A heap of which we say what is young garbage, old garbage, and alive. */
class World {
  nowMs = 1000;
  alive = 10;
  young = 0;
  old = 0;
  readonly collected: string[] = [];
  readonly watch = new MemoryWatch(
    {
      read: () => ({ heapBytes: this.alive + this.young + this.old, bufferBytes: 0 }),
      collect: (extent) => {
        this.collected.push(extent);
        this.nowMs += extent === "young" ? 1 : 100;
        this.young = 0;
        if (extent === "all") this.old = 0;
      },
    },
    { nowMs: () => this.nowMs, monotonicMs: () => this.nowMs },
  );

  constructor() {
    this.watch.rest(this.nowMs);
  }
  syscall(): void {
    if (this.nowMs >= this.watch.lookAtMs) this.watch.look(this.nowMs);
  }
  pass(ms: number): void {
    this.nowMs += ms;
    this.syscall();
  }
  /** As the engine does: what escapes the function becomes its failure, unless the call is to run again. */
  call(run: () => void, dies: () => void): string {
    return this.watch.run(() => {
      try {
        run();
        return "done";
      } catch (error) {
        dies();
        return this.watch.refusal(error) ?? "another error";
      }
    });
  }
}
const tooMuch = callHeapBytesMax + 1;

it("leaves alone what lets go of its garbage, and does not collect everything for it", () => {
  const world = new World();
  const run = () => {
    world.syscall();
    world.young = tooMuch;
    world.pass(lookIntervalMs);
  };
  expect(world.call(run, () => {})).toBe("done");
  expect(world.collected).toEqual(["young"]);
});

it("does not look at calls that are short, or not begun", () => {
  const world = new World();
  world.alive += tooMuch;
  world.syscall();
  const run = () => {
    world.syscall();
    world.pass(lookIntervalMs - 1);
  };
  expect(world.call(run, () => {})).toBe("done");
  expect(world.collected).toEqual([]);
});

it("fails a call that sets too much free when it ends", () => {
  const world = new World();
  const run = () => {
    world.syscall();
    world.alive += tooMuch;
    world.pass(lookIntervalMs);
  };
  expect(world.call(run, () => (world.alive -= tooMuch))).toBe(outOfMemoryText);
});

it("runs a call again that sets nothing free, and measures the next by what is there then", () => {
  const world = new World();
  let runs = 0;
  const run = () => {
    runs += 1;
    world.syscall();
    world.pass(lookIntervalMs);
  };
  world.watch.rest(world.nowMs);
  world.alive += tooMuch;
  expect(world.call(run, () => {})).toBe("done");
  expect([runs, world.collected]).toEqual([2, ["young", "all", "all"]]);
  world.nowMs += 10_000;
  expect(world.call(run, () => {})).toBe("done");
  expect([runs, world.collected]).toEqual([3, ["young", "all", "all"]]);
});

it("passes other errors on", () => {
  const world = new World();
  expect(() =>
    world.watch.run(() => {
      throw new Error("boom");
    }),
  ).toThrow("boom");
  expect(world.watch.refusal(new Error("boom"))).toBe(null);
});

it("stops everybody for a tenth of the time at most", () => {
  const world = new World();
  const fill = () => {
    world.syscall();
    world.old = tooMuch;
    world.pass(lookIntervalMs);
  };
  const startedMs = world.nowMs;
  for (let i = 0; i < 1000; i++) world.call(fill, () => {});
  const count = (extent: string) => world.collected.filter((one) => one === extent).length;
  const spentMs = 100 * count("all") + count("young");
  expect(count("all")).toBeGreaterThan(5);
  expect(spentMs / (world.nowMs - startedMs)).toBeLessThan(0.15);
});

it("blames no call for garbage and caches that were there before it, however much there is", () => {
  const world = new World();
  world.alive += tooMuch;
  world.old += tooMuch;
  world.watch.rest((world.nowMs += 20_000));
  const run = () => {
    world.syscall();
    world.alive += callHeapBytesMax;
    world.pass(lookIntervalMs);
  };
  expect(world.call(run, () => {})).toBe("done");
  expect(world.collected).toEqual([]);
});

it("does not let a call hold as much more as V8 has collected under it", () => {
  const world = new World();
  world.old = tooMuch;
  world.watch.rest((world.nowMs += 20_000));
  const run = () => {
    world.syscall();
    world.old = 0;
    world.pass(lookIntervalMs);
    world.alive += tooMuch;
    world.pass(lookIntervalMs);
  };
  expect(world.call(run, () => (world.alive -= tooMuch))).toBe(outOfMemoryText);
});
