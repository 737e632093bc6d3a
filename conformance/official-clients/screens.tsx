import { window } from "./dom.ts";
import type { ReactNode } from "react";
import { createRoot, type Root } from "react-dom/client";

/** One browser tab: a React root in an element of its own. */
export class Screen {
  readonly element: Element;
  readonly #root: Root;

  constructor(ui: ReactNode) {
    const element = window.document.createElement("main");
    window.document.body.append(element);
    this.element = element as unknown as Element;
    this.#root = createRoot(this.element, { onUncaughtError: (error) => this.errors.push(error) });
    this.#root.render(ui);
  }

  readonly errors: unknown[] = [];

  render(ui: ReactNode): void {
    this.#root.render(ui);
  }

  /** Texts of the elements that match. */
  texts(selector: string): string[] {
    return [...this.element.querySelectorAll(selector)].map(({ textContent }) => textContent ?? "");
  }

  close(): void {
    this.#root.unmount();
    this.element.remove();
  }
}
