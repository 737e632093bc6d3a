import { Window } from "happy-dom";

/**
 * A DOM for React, in this process. To be imported before react-dom, which looks for one when it is loaded. Network and
 * timers stay those of Node: happy-dom's own would not be what an app runs on anywhere.
 */
export const window = new Window({ url: "http://localhost/" });

Object.assign(globalThis, {
  window,
  document: window.document,
  HTMLElement: window.HTMLElement,
  HTMLIFrameElement: window.HTMLIFrameElement,
  Node: window.Node,
});

/** What a browser says when its network is back: the client then does not wait out its pause before it reconnects. */
export function comeOnline(): void {
  window.dispatchEvent(new window.Event("online"));
}
