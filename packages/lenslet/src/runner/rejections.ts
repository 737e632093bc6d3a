/**
 * Unhandled rejections of user code, collected synchronously. Node reports them through `process.emit` when its tick
 * queue is processed; user promises belong to other realms, so they are told apart from the server's own by
 * `instanceof`, and are never passed on: a rejection inside a function must not take the process down.
 */
let collected: unknown[] = [];
let installed = false;

type Emit = (this: NodeJS.Process, event: string | symbol, ...rest: unknown[]) => boolean;
type ProcessInternals = { emit: Emit; _tickCallback: () => void };

function install(): void {
  if (installed) return;
  installed = true;
  const target = process as unknown as ProcessInternals;
  const original = target.emit;
  target.emit = function emit(event, ...rest) {
    const isRejection = event === "unhandledRejection" || event === "rejectionHandled";
    const promise = event === "unhandledRejection" ? rest[1] : rest[0];
    if (isRejection && promise !== undefined && !(promise instanceof Promise)) {
      if (event === "unhandledRejection") collected.push(rest[0]);
      return true;
    }
    return original.call(this, event, ...rest);
  };
}

/**
 * Reasons of promises of user code that are rejected and have no handler now. Processes Node's tick queue, so
 * `process.nextTick` callbacks of the caller's thread may run inside; its microtasks do too unless the caller
 * itself runs in a microtask.
 */
export function takeUnhandledRejections(): readonly unknown[] {
  install();
  (process as unknown as ProcessInternals)._tickCallback();
  if (collected.length === 0) return none;
  const taken = collected;
  collected = [];
  return taken;
}

const none: readonly unknown[] = [];
install();
