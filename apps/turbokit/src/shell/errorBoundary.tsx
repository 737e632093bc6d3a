import { Component, type ReactNode } from "react";
import { ConvexError } from "convex/values";

/** Shows what a view could not: a query of it was refused. Another place in the page starts afresh. */
export class ErrorBoundary extends Component<{ readonly children: ReactNode }, { readonly error: unknown }> {
  override state: { readonly error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown): { readonly error: unknown } {
    return { error };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    const isKnown =
      error instanceof ConvexError ||
      (error instanceof Error && /ArgumentValidationError/.test(error.message));
    return (
      <div className="empty" role="alert">
        <p className="empty-title">{isKnown ? "There is nothing here" : "This cannot be shown right now"}</p>
        <button type="button" onClick={() => this.setState({ error: null })}>
          Try again
        </button>
      </div>
    );
  }
}
