import { ConvexReactClient } from "convex/react";
import { StrictMode } from "react";
import { App } from "./app.tsx";
import { AuthProvider } from "./auth/authProvider.tsx";
import { convexUrl, NoServer, siteUrl } from "./server.tsx";
import { ToastProvider } from "./toasts.tsx";

/** The client of this window. Unsent messages are in its queue: leaving warns only while there are some. */
const client = convexUrl === null ? null : new ConvexReactClient(convexUrl);

/** The island of the chat page: everything of it that is alive. */
export function ChatApp() {
  if (client === null || siteUrl === null) return <NoServer />;
  return (
    <StrictMode>
      <AuthProvider client={client} siteUrl={siteUrl}>
        <ToastProvider>
          <App />
        </ToastProvider>
      </AuthProvider>
    </StrictMode>
  );
}
