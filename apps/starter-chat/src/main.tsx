import { ConvexProviderWithAuth, ConvexReactClient } from "convex/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { configureAuth, useDevAuth } from "./auth.ts";
import { ToastProvider } from "./toasts.tsx";

const rootElement = document.getElementById("root");
if (rootElement === null) throw new Error("index.html has no element with the id root");
const root = createRoot(rootElement);
const url = import.meta.env.VITE_CONVEX_URL;

if (url === undefined || url === "") {
  root.render(
    <main className="splash">
      <h1>Which server?</h1>
      <p>
        Set <code>VITE_CONVEX_URL</code> to the address of a deployment, for example{" "}
        <code>http://127.0.0.1:3210</code>, and build again. <code>npm start</code> in the repository does
        that by itself.
      </p>
    </main>,
  );
} else {
  configureAuth(url);
  // Unsent messages are in the client's queue: leaving warns only while there are some.
  const client = new ConvexReactClient(url);
  root.render(
    <StrictMode>
      <ConvexProviderWithAuth client={client} useAuth={useDevAuth}>
        <ToastProvider>
          <App />
        </ToastProvider>
      </ConvexProviderWithAuth>
    </StrictMode>,
  );
}
