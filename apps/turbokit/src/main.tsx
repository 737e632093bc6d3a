import { ConvexProviderWithAuth, ConvexReactClient } from "convex/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { session, useAuth } from "./auth/session.ts";
import { FeedbackProvider } from "./shared/feedback.tsx";
import { App } from "./shell/app.tsx";

const client = new ConvexReactClient(
  (import.meta.env["VITE_CONVEX_URL"] as string | undefined) ?? "http://127.0.0.1:3210",
);

await session.start();

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <ConvexProviderWithAuth client={client} useAuth={useAuth}>
      <FeedbackProvider>
        <App />
      </FeedbackProvider>
    </ConvexProviderWithAuth>
  </StrictMode>,
);
