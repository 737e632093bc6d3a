/* oxlint-disable typescript/no-unnecessary-template-expression, typescript/unbound-method, unicorn/no-instanceof-builtins
   -- arguments come from untyped user code, and everything here is of one realm */
import type { RealmControls, RealmHost } from "./realmTypes.ts";

/** DOMException, events and abort signals. See realmTypes.ts for how this file is run. */
export function installEvents(_host: RealmHost, realm: RealmControls): void {
  const codes: Record<string, number> = {
    IndexSizeError: 1,
    NotFoundError: 8,
    NotSupportedError: 9,
    InvalidStateError: 11,
    SyntaxError: 12,
    InvalidAccessError: 15,
    AbortError: 20,
    QuotaExceededError: 22,
    TimeoutError: 23,
    DataCloneError: 25,
    InvalidCharacterError: 5,
  };
  class DOMException extends Error {
    readonly code: number;
    constructor(message = "", name = "Error") {
      super(`${message}`);
      Object.defineProperty(this, "name", { value: `${name}`, configurable: true, enumerable: false });
      this.code = codes[this.name] ?? 0;
      Object.defineProperty(this, "code", { enumerable: false });
    }
    get [Symbol.toStringTag](): string {
      return "DOMException";
    }
  }
  realm.DOMException = DOMException;
  realm.define("DOMException", DOMException);

  interface EventInternals {
    target: EventTarget | null;
    stopped: boolean;
    prevented: boolean;
  }
  const internals = new WeakMap<Event, EventInternals>();
  class Event {
    static readonly NONE = 0;
    static readonly CAPTURING_PHASE = 1;
    static readonly AT_TARGET = 2;
    static readonly BUBBLING_PHASE = 3;
    readonly type: string;
    readonly bubbles: boolean;
    readonly cancelable: boolean;
    readonly composed: boolean;
    readonly isTrusted = false;
    readonly timeStamp = 0;
    constructor(type: string, init: { bubbles?: boolean; cancelable?: boolean; composed?: boolean } = {}) {
      this.type = `${type}`;
      this.bubbles = !!init.bubbles;
      this.cancelable = !!init.cancelable;
      this.composed = !!init.composed;
      internals.set(this, { target: null, stopped: false, prevented: false });
    }
    get target(): EventTarget | null {
      return internals.get(this)!.target;
    }
    get currentTarget(): EventTarget | null {
      return this.target;
    }
    get srcElement(): EventTarget | null {
      return this.target;
    }
    get eventPhase(): number {
      return this.target === null ? 0 : 2;
    }
    get defaultPrevented(): boolean {
      return internals.get(this)!.prevented;
    }
    composedPath(): EventTarget[] {
      return this.target === null ? [] : [this.target];
    }
    preventDefault(): void {
      if (this.cancelable) internals.get(this)!.prevented = true;
    }
    stopPropagation(): void {}
    stopImmediatePropagation(): void {
      internals.get(this)!.stopped = true;
    }
  }

  type Listener = ((event: Event) => void) | { handleEvent(event: Event): void };
  interface Registered {
    readonly callback: Listener;
    readonly capture: boolean;
    readonly once: boolean;
    removed: boolean;
  }
  class EventTarget {
    readonly #listeners = new Map<string, Registered[]>();
    addEventListener(
      type: string,
      callback: Listener | null,
      options: boolean | { capture?: boolean; once?: boolean; signal?: AbortSignal } = {},
    ): void {
      if (callback === null || callback === undefined) return;
      const settings = typeof options === "boolean" ? { capture: options } : options;
      if (settings.signal?.aborted) return;
      const list = this.#listeners.get(type) ?? [];
      const capture = !!settings.capture;
      if (list.some((item) => item.callback === callback && item.capture === capture)) return;
      this.#listeners.set(type, [...list, { callback, capture, once: !!settings.once, removed: false }]);
      settings.signal?.addEventListener("abort", () => this.removeEventListener(type, callback, { capture }));
    }
    removeEventListener(
      type: string,
      callback: Listener | null,
      options: boolean | { capture?: boolean } = {},
    ): void {
      const capture = typeof options === "boolean" ? options : !!options.capture;
      const list = this.#listeners.get(type) ?? [];
      const kept = list.filter((item) => {
        const matches = item.callback === callback && item.capture === capture;
        if (matches) item.removed = true;
        return !matches;
      });
      this.#listeners.set(type, kept);
    }
    dispatchEvent(event: Event): boolean {
      const internal = internals.get(event);
      if (!internal) throw new TypeError("dispatchEvent: the argument is not an Event");
      internal.target = this;
      internal.stopped = false;
      const handler = (this as unknown as Record<string, unknown>)[`on${event.type}`];
      if (typeof handler === "function") handler.call(this, event);
      for (const item of this.#listeners.get(event.type) ?? []) {
        if (item.removed || internal.stopped) continue;
        if (item.once) this.removeEventListener(event.type, item.callback, { capture: item.capture });
        if (typeof item.callback === "function") item.callback.call(this, event);
        else item.callback.handleEvent(event);
      }
      return !internal.prevented;
    }
  }

  const key = Symbol("constructing an AbortSignal");
  let abortSignal: (signal: AbortSignal, reason: unknown) => void;
  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason: unknown = undefined;
    onabort: ((event: Event) => void) | null = null;
    constructor(token?: symbol) {
      super();
      if (token !== key) throw new TypeError("Illegal constructor");
    }
    static {
      abortSignal = (signal, reason) => {
        if (signal.#aborted) return;
        signal.#aborted = true;
        signal.#reason =
          reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason;
        signal.dispatchEvent(new Event("abort"));
      };
    }
    get aborted(): boolean {
      return this.#aborted;
    }
    get reason(): unknown {
      return this.#reason;
    }
    throwIfAborted(): void {
      if (this.#aborted) throw this.#reason;
    }
    static abort(reason?: unknown): AbortSignal {
      const signal = new AbortSignal(key);
      abortSignal(signal, reason);
      return signal;
    }
    static timeout(): AbortSignal {
      void Promise.reject(realm.refusal("setTimeout"));
      return new AbortSignal(key);
    }
    static any(signals: Iterable<AbortSignal>): AbortSignal {
      const joined = new AbortSignal(key);
      for (const signal of signals) {
        if (signal.aborted) abortSignal(joined, signal.reason);
        else signal.addEventListener("abort", () => abortSignal(joined, signal.reason));
      }
      return joined;
    }
  }
  class AbortController {
    readonly signal = new AbortSignal(key);
    abort(reason?: unknown): void {
      abortSignal(this.signal, reason);
    }
  }
  realm.define("Event", Event);
  realm.define("EventTarget", EventTarget);
  realm.define("AbortSignal", AbortSignal);
  realm.define("AbortController", AbortController);
}
