import { ConvexProvider } from "convex/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { client, SessionProvider } from "../shared/session.tsx";
import { Console } from "./console.tsx";

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <ConvexProvider client={client}>
      <SessionProvider name="staff">
        <Console />
      </SessionProvider>
    </ConvexProvider>
  </StrictMode>,
);
