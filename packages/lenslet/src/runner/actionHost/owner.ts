import { AsyncLocalStorage } from "node:async_hooks";

/** Whoever user code in this process runs for: an action, or a context that is being prepared for one. */
export interface Owner {
  /** Of the running action; 0 when there is none (any more). */
  actionId(): number;
  /** Something failed that nobody waits for: an uncaught exception or an unhandled rejection. */
  strayFailure(origin: "uncaughtException" | "unhandledRejection", thrown: unknown): void;
}

/**
 * Follows every continuation, timer and callback of user code, so that what fails or loops can be told from what its
 * neighbours do.
 */
export const owners = new AsyncLocalStorage<Owner>();
