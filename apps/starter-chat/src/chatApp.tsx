import { ConvexProviderWithAuth, ConvexReactClient } from "convex/react";
import { StrictMode } from "react";
import { App } from "./app.tsx";
import { configureAuth, useDevAuth } from "./auth.ts";
import { convexUrl, NoServer } from "./server.tsx";
import { ToastProvider } from "./toasts.tsx";

/** The client of this window. Unsent messages are in its queue: leaving warns only while there are some. */
const client = convexUrl === null ? null : new ConvexReactClient(convexUrl);
if (convexUrl !== null) configureAuth(convexUrl);

/** The island of the chat page: everything of it that is alive. */
export function ChatApp() {
  if (client === null) return <NoServer />;
  return (
    <StrictMode>
      <ConvexProviderWithAuth client={client} useAuth={useDevAuth}>
        <ToastProvider>
          <App />
        </ToastProvider>
      </ConvexProviderWithAuth>
    </StrictMode>
  );
}
