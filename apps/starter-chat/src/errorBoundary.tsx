import { Component, type ReactNode } from "react";

/** Shows something else for a part of the page that failed, until `resetKey` changes or it is tried again. */
export class ErrorBoundary extends Component<
  {
    resetKey: string;
    fallback: (error: unknown, retry: () => void) => ReactNode;
    children: ReactNode;
  },
  { failure: { readonly error: unknown } | null }
> {
  override state: { failure: { readonly error: unknown } | null } = { failure: null };

  static getDerivedStateFromError(error: unknown) {
    return { failure: { error } };
  }

  override componentDidUpdate(previous: { resetKey: string }) {
    if (previous.resetKey !== this.props.resetKey && this.state.failure !== null)
      this.setState({ failure: null });
  }

  override render() {
    if (this.state.failure === null) return this.props.children;
    return this.props.fallback(this.state.failure.error, () => this.setState({ failure: null }));
  }
}
